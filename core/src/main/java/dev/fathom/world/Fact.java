package dev.fathom.world;

/// Something true: `country_capital(France, Paris)`.
///
/// @param relation as in the templates
/// @param subject as it stands in a sentence, with its article where it has one: `the Eiffel Tower`
/// @param object one word
public record Fact(String relation, String subject, String object) {}
