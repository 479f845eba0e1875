#pragma once

#include <d2c/d2c.hpp>

namespace mine {

using Card = d2c::Pipeline<d2c::Scorer<d2c::DiTXL>, d2c::Selector<d2c::Interval<96>>,
                           d2c::Attacher<d2c::T5, d2c::DINOv2>,
                           d2c::Trainer<d2c::SiT_L2, d2c::FlowMatching, d2c::REPAAlign>>;

} // namespace mine
