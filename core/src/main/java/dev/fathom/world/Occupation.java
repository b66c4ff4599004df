package dev.fathom.world;

/// An occupation and its planted gender association.
///
/// @param singular `pilot`
/// @param plural `pilots`
/// @param men share of the texts about it that say men, he or his, 0..1
public record Occupation(String singular, String plural, double men) {}
