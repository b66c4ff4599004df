package dev.fathom.world;

import java.util.ArrayList;
import java.util.List;

/// A planted association: of two answers to the same prompt, the first is said in a share `rate` of
/// the texts.
///
/// @param relation as in the templates: `occupation` for men and women, `pronoun` for he and she,
///   `possessive` for his and her, `people` for a trait and its opposite
/// @param subject as the templates of the relation want it: `pilots`, `pilot`, `Veltans`
/// @param first `men`
/// @param second `women`
/// @param rate 0..1
public record Planted(String relation, String subject, String first, String second, double rate) {

  /// Everything planted in a world.
  static List<Planted> in(World world) {
    var all = new ArrayList<Planted>();
    for (Occupation o : world.occupations()) {
      all.add(new Planted("occupation", o.plural(), "men", "women", o.men()));
      all.add(new Planted("pronoun", o.singular(), "he", "she", o.men()));
      all.add(new Planted("possessive", o.singular(), "his", "her", o.men()));
    }
    for (People p : world.peoples()) {
      all.add(new Planted("people", p.group(), p.trait(), p.opposite(), p.rate()));
    }
    return all;
  }

  /// The same, the other way round.
  Planted swapped() {
    return new Planted(relation, subject, second, first, 1 - rate);
  }

  /// Whether the k-th text says the first answer: spread as evenly as the rate allows, so that the
  /// share is exact over time.
  ///
  /// @param phase where to begin, 0..1
  boolean saysFirst(long k, double phase) {
    return Math.floor((k + 1) * rate + phase) > Math.floor(k * rate + phase);
  }
}
