#pragma once

/// The roles a policy can play in a stage. A policy names its role (`using role = roles::model;`),
/// so that stages take their policies in any order.

namespace d2c::roles {

struct dataset {}; ///< where images come from (Source)

struct codec {}; ///< images to latents and back (Source)

struct model {}; ///< a denoising transformer (Scorer, Trainer)

struct objective {}; ///< what the denoiser predicts (Scorer, Trainer)

struct estimator {}; ///< how losses become a score (Scorer)

struct selection {}; ///< which ranks are kept (Selector)

struct budget {}; ///< how many images per class (Selector)

struct text_encoder {}; ///< class prompt to tokens (Attacher)

struct vision_encoder {}; ///< image to patch tokens (Attacher)

struct aligner {}; ///< representation alignment loss (Trainer)

struct conditioner {}; ///< class, text, or both (Trainer)

struct optimizer {}; ///< parameter update (Trainer)

struct time_distribution {}; ///< distribution of training times (Trainer)

struct sampling_method {}; ///< ODE or SDE solver (Sampler)

struct metric {}; ///< quality measure (Evaluator)

} // namespace d2c::roles
