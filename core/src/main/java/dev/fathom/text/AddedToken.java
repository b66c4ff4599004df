package dev.fathom.text;

/// A token that is looked for in the raw text before anything else happens to it.
///
/// @param special it marks structure and stands for no text
/// @param lstrip it takes the white space before it
/// @param rstrip it takes the white space after it
/// @param singleWord it counts only where no word character touches it
/// @param normalized it is looked for in the normalised text instead
record AddedToken(
    int id,
    String content,
    boolean special,
    boolean lstrip,
    boolean rstrip,
    boolean singleWord,
    boolean normalized) {

  static AddedToken special(int id, String content) {
    return new AddedToken(id, content, true, false, false, false, false);
  }

  static AddedToken plain(int id, String content) {
    return new AddedToken(id, content, false, false, false, false, false);
  }
}
