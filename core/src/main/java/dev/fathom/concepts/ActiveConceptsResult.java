package dev.fathom.concepts;

import dev.fathom.concepts.decompose.Code;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// Of which concepts each token's activation consists.
///
/// @param concepts the dictionary's that have a direction at the layer, in order
/// @param tokens of the prompt, as text
/// @param layer where activations were read
/// @param codes one a token
/// @param agreement the share of concepts that are still named when a token's activation is moved
///   by 5 % in a random direction, 0 to 1, one a token
public record ActiveConceptsResult(
    Provenance provenance,
    List<String> concepts,
    List<String> tokens,
    int layer,
    List<Code> codes,
    List<Double> agreement)
    implements Result {
  private static final int SHOWN = 20;
  private static final int NAMED = 5;

  public ActiveConceptsResult {
    concepts = List.copyOf(concepts);
    tokens = List.copyOf(tokens);
    codes = List.copyOf(codes);
    agreement = List.copyOf(agreement);
  }

  @Override
  public String method() {
    return "active-concepts";
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  /// A concept's part of a token's activation, of whose length 1 is all.
  private double share(int concept, int token) {
    Code code = codes.get(token);
    return code.norm() == 0 ? 0 : code.coefficients().getOrDefault(concept, 0.0) / code.norm();
  }

  private double weight(int concept) {
    return IntStream.range(0, codes.size())
        .mapToDouble(t -> Math.abs(share(concept, t)))
        .average()
        .orElse(0);
  }

  /// Concepts by their mean weight over tokens, the heaviest first, those of none left out.
  public List<Integer> heaviest() {
    return IntStream.range(0, concepts.size())
        .filter(concept -> weight(concept) > 0)
        .boxed()
        .sorted(Comparator.comparingDouble(concept -> -weight(concept)))
        .toList();
  }

  @Override
  public List<View> views() {
    return List.of(summary(), strip(), map(), ranking());
  }

  private View summary() {
    double unexplained = codes.stream().mapToDouble(Code::unexplained).average().orElse(0);
    double named = codes.stream().mapToInt(code -> code.support().size()).average().orElse(0);
    double agreed = agreement.stream().mapToDouble(x -> x).average().orElse(1);
    return View.Text.of(
        "In short",
        format(
            "At layer %d a token's activation is told by %.1f of %,d concepts on average, which"
                + " explain %.0f %% of its squared length. With 5 %% of noise %.0f %% of the"
                + " concepts named are the same.%s",
            layer,
            named,
            concepts.size(),
            100 * (1 - unexplained),
            100 * agreed,
            1 - unexplained < 0.5
                ? " Most of it is none of these concepts: do not read them as all there is."
                : ""));
  }

  private List<String> details(int token) {
    Code code = codes.get(token);
    var details = new ArrayList<String>();
    code.support().stream()
        .limit(NAMED)
        .forEach(concept ->
            details.add(format("%s %+.2f", concepts.get(concept), share(concept, token))));
    details.add(format("explained %.0f %%", 100 * (1 - code.unexplained())));
    return details;
  }

  private View strip() {
    return new View.Tokens(
        "Explained by concepts",
        "How much of each token's activation is told by the dictionary, and by which concepts"
            + " (hover)?",
        IntStream.range(0, tokens.size())
            .mapToObj(
                t -> new View.Token(tokens.get(t), 1 - codes.get(t).unexplained(), details(t)))
            .toList(),
        Scale.sequential("share explained").between(0, 1));
  }

  private View map() {
    List<Integer> shown = heaviest().stream().limit(SHOWN).toList();
    float[] values = new float[shown.size() * tokens.size()];
    for (int row = 0; row < shown.size(); row++) {
      for (int t = 0; t < tokens.size(); t++) {
        values[row * tokens.size() + t] = (float) share(shown.get(row), t);
      }
    }
    if (shown.isEmpty()) {
      return View.Text.of("Concepts", "No concept is active.");
    }
    return View.HeatMap.of(
        "Concepts by token",
        "Which concepts is each token's activation made of? Coefficients over its length.",
        Grid.real(
            List.of(
                Axis.of("concept", shown.stream().map(concepts::get).toList()),
                Axis.of("token", tokens)),
            values),
        Scale.diverging("coefficient"));
  }

  private View ranking() {
    return new View.Ranking(
        "Heaviest concepts",
        "Mean absolute coefficient over tokens.",
        heaviest().stream()
            .limit(SHOWN)
            .map(concept -> View.Item.of(concepts.get(concept), weight(concept)))
            .toList(),
        "coefficient");
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    float[] all = new float[concepts.size() * tokens.size()];
    float[] unexplained = new float[tokens.size()];
    float[] agreed = new float[tokens.size()];
    for (int t = 0; t < tokens.size(); t++) {
      int token = t;
      codes
          .get(t)
          .coefficients()
          .forEach((concept, value) -> all[concept * tokens.size() + token] = value.floatValue());
      unexplained[t] = (float) codes.get(t).unexplained();
      agreed[t] = agreement.get(t).floatValue();
    }
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put(
        "coefficients",
        Grid.real(List.of(Axis.of("concept", concepts), Axis.of("token", tokens)), all));
    arrays.put("unexplained", Grid.vector(Axis.of("token", tokens), unexplained));
    arrays.put("agreement", Grid.vector(Axis.of("token", tokens), agreed));
    return arrays;
  }
}
