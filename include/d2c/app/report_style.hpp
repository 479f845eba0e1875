#pragma once
/// The style sheet of the report: one page, light and dark, no outside resource.

#include <string_view>

namespace d2c {

inline constexpr std::string_view report_style = R"css(
:root { --ink: #1b1f24; --soft: #59636e; --rule: #d8dee4; --page: #ffffff; --card: #f6f8fa;
  --s0: #0969da; --s1: #bf5700; --s2: #1a7f37; --s3: #8250df; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --rule: #3d444d;
  --page: #0d1117; --card: #151b23; --s0: #4493f8; --s1: #f0883e; --s2: #3fb950; --s3: #ab7df8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 8px; }
h3 { font-size: 15px; margin: 16px 0 6px; } p { max-width: 78ch; margin: 6px 0; }
.lead, figcaption, .note { color: var(--soft); } code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: 12px; overflow-x: auto; }
table { border-collapse: collapse; margin: 10px 0; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px 5px 0; text-align: right; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
.wide { overflow-x: auto; } .row { display: flex; flex-wrap: wrap; gap: 24px; }
.row > * { flex: 1 1 440px; min-width: 0; } figure { margin: 8px 0; }
img { max-width: 100%; height: auto; image-rendering: pixelated; border-radius: 4px; border: 1px solid var(--rule); }
svg.chart { width: 100%; max-width: 760px; height: auto; }
.sheets { display: flex; flex-wrap: wrap; gap: 20px; } svg text { fill: var(--soft); font-size: 12px; }
svg text.title { fill: var(--ink); font-weight: 600; font-size: 13px; }
svg .grid { stroke: var(--rule); stroke-width: 1; } svg .line { fill: none; stroke-width: 1.6; }
svg .area { fill-opacity: 0.28; stroke-width: 1.2; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
svg .line, svg .area { stroke: var(--c); } svg .area, svg .fill { fill: var(--c); }
)css";

} // namespace d2c
