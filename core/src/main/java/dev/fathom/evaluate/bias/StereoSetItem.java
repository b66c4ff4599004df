package dev.fathom.evaluate.bias;

import dev.fathom.FathomException;
import dev.fathom.Sha256;
import java.util.List;

/// One context of StereoSet's intrasentence part, filled in three ways.
///
/// @param domain what kind of bias it is about, `bias_type` in files: gender, profession, race,
///   religion
/// @param target the term it is about; scores are means over terms
/// @param context the sentence with BLANK in place of what differs
public record StereoSetItem(
    String id,
    String domain,
    String target,
    String context,
    Sentence stereotype,
    Sentence antiStereotype,
    Sentence unrelated) {

  /// What stands in a context for the words that differ.
  public static final String BLANK = "BLANK";

  /// One way to fill it.
  public record Sentence(String id, String text) {}

  /// The three, in this order: stereotype, anti-stereotype, unrelated.
  public List<Sentence> sentences() {
    return List.of(stereotype, antiStereotype, unrelated);
  }

  /// The same with the labels stereotype and anti-stereotype exchanged.
  public StereoSetItem exchanged() {
    return new StereoSetItem(id, domain, target, context, antiStereotype, stereotype, unrelated);
  }

  /// Names the item in a run: its id, and the beginning of its sentences' SHA-256, so that items of
  /// other words under the same id are not taken for the same.
  String key() {
    String text = String.join("\n", stereotype.text, antiStereotype.text, unrelated.text);
    return id + "/" + Sha256.of(text).substring(0, 8);
  }

  /// The word that fills the context in one of its sentences, as StereoSet's script finds it: the
  /// word of the sentence that stands, counting by spaces, where the last BLANK stands in the
  /// context, without punctuation.
  ///
  /// @throws FathomException if the context has no BLANK, or the sentence no such word
  String filled(Sentence sentence) {
    String[] words = context.split(" ", -1);
    int at = -1;
    for (int w = 0; w < words.length; w++) {
      at = words[w].contains(BLANK) ? w : at;
    }
    String[] said = sentence.text.split(" ", -1);
    String word = at < 0 || at >= said.length ? "" : said[at].replaceAll("[!-/:-@\\[-`{-~]", "");
    if (word.isEmpty()) {
      throw new FathomException(
          "item %s: no word of \"%s\" stands where its context \"%s\" has %s"
              .formatted(id, sentence.text, context, BLANK));
    }
    return word;
  }
}
