#pragma once
/// Pictures inside the report.

#include <string>

#include <d2c/app/svg_chart.hpp>
#include <d2c/io/base64.hpp>
#include <d2c/io/contact_sheet.hpp>
#include <d2c/io/png.hpp>

namespace d2c::report {

/// A contact sheet as a figure at its own size, its PNG inside, described by `caption`.
inline std::string picture(const ContactSheet& sheet, const std::string& caption) {
  const auto png = encode_png(sheet.pixels(), sheet.width(), sheet.height(), sheet.channels());
  const std::string text = svg::escape(caption);
  return "<figure><img alt=\"" + text + "\" width=\"" + std::to_string(sheet.width()) +
         "\" src=\"data:image/png;base64," + base64(png) + "\"/><figcaption>" + text +
         "</figcaption></figure>\n";
}

} // namespace d2c::report
