package dev.fathom.text;

import java.util.OptionalInt;

/// The ids of the tokens with a role.
///
/// @param addsBos whether [SpecialTokens#AS_CONFIGURED] puts the BOS (or CLS) token first
/// @param addsEos whether [SpecialTokens#AS_CONFIGURED] puts the EOS (or SEP) token last
public record Specials(
    OptionalInt bos,
    OptionalInt eos,
    OptionalInt unk,
    OptionalInt pad,
    OptionalInt mask,
    OptionalInt cls,
    OptionalInt sep,
    boolean addsBos,
    boolean addsEos) {}
