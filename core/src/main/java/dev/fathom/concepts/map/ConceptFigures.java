package dev.fathom.concepts.map;

import dev.fathom.FathomException;
import dev.fathom.concepts.Dictionary;
import dev.fathom.explain.report.Figure;
import dev.fathom.explain.report.Figure.Drawn;
import dev.fathom.explain.report.Figures;
import dev.fathom.view.View;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The thesis' figures about concepts, from one dictionary of the model or two, the second of a
/// model that was tuned from it.
///
/// ```java
/// var both = new ConceptFigures.Dictionaries(base, Optional.of(tuned), Optional.empty());
/// var more = ConceptFigures.of(Optional.of(both));
/// Path page = Figures.run(model, tokenizer, directory, Figures.Config.standard().with(more));
/// ```
///
/// Colours are the dictionary's groups, or where it has none 15 concepts that have little to do
/// with each other, each with what is near it.
public final class ConceptFigures {
  private static final String WITH_DICTIONARIES =
      "fathom figures -m MODEL --dictionaries BASE,TUNED --out-dir DIR";
  private static final String LOVE = "love";
  private static final int QUERIES = 15;

  private final Optional<Dictionaries> dictionaries;
  private @Nullable ConceptMapResult map; // made once for two figures

  /// What is mapped.
  ///
  /// @param base the model's own
  /// @param tuned another model's
  /// @param around the concept to look at closely; empty for love, or where that is not there the
  ///   first
  public record Dictionaries(Path base, Optional<Path> tuned, Optional<String> around) {
    /// @throws FathomException if one is no dictionary
    public Dictionaries {
      try (var own = Dictionary.open(base)) {
        around.ifPresent(own::place);
      }
      tuned.ifPresent(path -> Dictionary.open(path).close());
    }
  }

  private ConceptFigures(Optional<Dictionaries> dictionaries) {
    this.dictionaries = dictionaries;
  }

  /// Figures of one model.
  ///
  /// @param dictionaries empty where there are none
  public static List<Figure> of(Optional<Dictionaries> dictionaries) {
    return new ConceptFigures(dictionaries).all();
  }

  private List<Figure> all() {
    return List.of(
        figure(
            "4.5",
            "Concepts before and after tuning",
            "LLaMA3-8B and LLaMA3-8B-Instruct, layer 25 of 32: what is nearest to each of 15"
                + " distinct queries forms separate clusters in both, and the instruct model's map"
                + " is more spread.",
            result -> new ConceptMapPictures(result).maps()),
        figure(
            "4.6",
            "Around a concept",
            "Near 'love' lie 'goodness', 'thoughtful' and 'lovable'. The cluster of 'hate' is near"
                + " in the whole map, with a visible boundary between both.",
            result -> new ConceptMapPictures(result).zooms()));
  }

  private Figure figure(
      String id, String title, String expected, Function<ConceptMapResult, List<View>> views) {
    return new Figure(
        id,
        title,
        expected,
        new Figure.Source.Given(WITH_DICTIONARIES),
        subject ->
            dictionaries
                .map(given -> map(given, subject))
                .map(result ->
                    new Drawn(
                        views.apply(result), result.arrays(), String.join(" ", result.found()))));
  }

  private ConceptMapResult map(Dictionaries given, Figures.Subject subject) {
    ConceptMapResult known = map;
    if (known == null) {
      try (var base = Dictionary.open(given.base)) {
        base.requireModel(subject.model());
        int layer = base.bestLayer();
        ConceptMap.Config config = config(base, layer, given.around);
        if (given.tuned.isEmpty()) {
          known = ConceptMap.of(base, layer, config);
        } else {
          try (var tuned = Dictionary.open(given.tuned.get())) {
            known = ConceptMap.of(base, layer, tuned, config);
          }
        }
      }
      map = known;
    }
    return known;
  }

  private static ConceptMap.Config config(Dictionary base, int layer, Optional<String> around) {
    boolean love = base.entries().stream().anyMatch(entry -> entry.name().equals(LOVE));
    var config =
        ConceptMap.Config.standard()
            .around(around.orElse(love ? LOVE : base.entries().getFirst().name()));
    return base.groups().isEmpty()
        ? config.withQueries(ConceptMap.distinct(base, layer, QUERIES), config.percentile())
        : config;
  }
}
