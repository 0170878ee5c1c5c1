//! The prompts inside the program, for where the directory of prompts has no file of that name.

/// Name and WAV file of each.
pub const SHIPPED: [(&str, &[u8]); 5] = [
    (
        "working_hours",
        include_bytes!("../../../prompts/working_hours.wav"),
    ),
    ("break", include_bytes!("../../../prompts/break.wav")),
    (
        "after_hours",
        include_bytes!("../../../prompts/after_hours.wav"),
    ),
    ("hold", include_bytes!("../../../prompts/hold.wav")),
    ("accept", include_bytes!("../../../prompts/accept.wav")),
];
