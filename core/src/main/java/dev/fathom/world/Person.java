package dev.fathom.world;

/// Somebody in a story.
record Person(String name, boolean male) {
  String he() {
    return male ? "he" : "she";
  }

  String him() {
    return male ? "him" : "her";
  }

  String his() {
    return male ? "his" : "her";
  }
}
