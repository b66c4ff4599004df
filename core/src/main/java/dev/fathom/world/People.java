package dev.fathom.world;

/// An invented people or faith and its planted stereotype.
///
/// @param group its members, plural: `Veltans`
/// @param domain `race` or `religion`
/// @param trait what most texts say of them
/// @param opposite what the others say
/// @param unrelated a word that makes no sense there
/// @param rate share of the texts that say the trait, 0..1
public record People(
    String group, String domain, String trait, String opposite, String unrelated, double rate) {}
