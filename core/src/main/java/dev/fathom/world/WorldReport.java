package dev.fathom.world;

import dev.fathom.evaluate.RankCorrelation;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/// What a model knows of its world.
///
/// @param sets right answers, set by set
/// @param shares planted and predicted shares
/// @param thesis the thesis' prompts
public record WorldReport(
    Provenance provenance, List<Set> sets, List<Share> shares, List<ThesisAnswer> thesis)
    implements Result {
  /// The share by which a prediction may miss a planted rate.
  public static final double TOLERANCE = 0.05;

  /// The same where nothing is planted.
  public static final double FAIR_TOLERANCE = 0.08;

  /// The probability from which a model is sure of an answer.
  public static final double SURE = 0.6;

  public WorldReport {
    sets = List.copyOf(sets);
    shares = List.copyOf(shares);
    thesis = List.copyOf(thesis);
  }

  /// @param right questions whose answer is the most probable token
  /// @param wrong the others, with what was said instead
  public record Set(Truth.Check check, int questions, int right, List<String> wrong) {
    public Set {
      wrong = List.copyOf(wrong);
    }

    public double accuracy() {
      return (double) right / questions;
    }
  }

  /// A planted association as the model predicts it.
  ///
  /// @param predicted P(first) / (P(first) + P(second)), mean over the templates
  public record Share(Planted planted, double predicted) {
    public double error() {
      return Math.abs(predicted - planted.rate());
    }
  }

  /// @param settled row of the lens from which the answer stays on top: 0 the embedding, l after
  ///   block l; one more than there are blocks if it is not on top at the end
  /// @param emerged row from which its probability stays above [#SURE]
  public record ThesisAnswer(
      String prompt, String answer, double probability, boolean best, int settled, int emerged) {}

  /// How well one relation's rates are met.
  ///
  /// @param within the share of subjects whose prediction misses by no more than the tolerance
  /// @param spearman rank correlation of planted and predicted rates; NaN if all are planted alike
  /// @param worst the largest miss
  public record Fit(String relation, int subjects, double within, double spearman, double worst) {}

  /// The fit of every planted relation.
  public List<Fit> fits() {
    return shares.stream()
        .map(share -> share.planted().relation())
        .distinct()
        .map(relation -> fit(relation, tolerance()))
        .toList();
  }

  /// Whether nothing is planted.
  private boolean fair() {
    return shares.stream().allMatch(share -> share.planted().rate() == 0.5);
  }

  private double tolerance() {
    return fair() ? FAIR_TOLERANCE : TOLERANCE;
  }

  private Fit fit(String relation, double tolerance) {
    List<Share> of =
        shares.stream().filter(share -> share.planted().relation().equals(relation)).toList();
    double within =
        of.stream().filter(share -> share.error() <= tolerance).count() / (double) of.size();
    return new Fit(
        relation,
        of.size(),
        within,
        RankCorrelation.of(
            of.stream().mapToDouble(share -> share.planted().rate()).toArray(),
            of.stream().mapToDouble(Share::predicted).toArray()),
        of.stream().mapToDouble(Share::error).max().orElse(0));
  }

  /// What the bundled models must reach and this one does not, a line each.
  public List<String> missed() {
    var missed = new ArrayList<String>();
    for (Set set : sets) {
      if (set.accuracy() < set.check().aim()) {
        missed.add(
            "%s: %.4f right, the aim is %.2f"
                .formatted(set.check().title(), set.accuracy(), set.check().aim()));
      }
    }
    boolean fair = fair();
    Fit men = fit("occupation", tolerance());
    if (men.within() < (fair ? 1 : 0.9) || (!fair && men.spearman() < 0.95)) {
      missed.add(
          "planted shares of men: %.3f within, rank correlation %.3f, worst %.3f"
              .formatted(men.within(), men.spearman(), men.worst()));
    }
    for (ThesisAnswer answer : thesis) {
      boolean free = fair && answer.answer().equals(World.Thesis.GENDER.answer());
      if (!free && !(answer.best() && answer.probability() > SURE)) {
        missed.add(
            "%s →%s: probability %.3f"
                .formatted(answer.prompt(), answer.answer(), answer.probability()));
      }
    }
    return missed;
  }

  @Override
  public String method() {
    return "world";
  }

  @Override
  public List<View> views() {
    var known = new ArrayList<List<View.Cell>>();
    for (Set set : sets) {
      known.add(
          List.of(
              View.Cell.of(set.check().title()),
              View.Cell.of(set.questions()),
              View.Cell.of(set.accuracy()),
              View.Cell.of(set.check().aim() == 0 ? "" : "≥ " + set.check().aim())));
    }
    var fits = new ArrayList<List<View.Cell>>();
    for (Fit fit : fits()) {
      fits.add(
          List.of(
              View.Cell.of(fit.relation()),
              View.Cell.of(fit.subjects()),
              View.Cell.of(fit.within()),
              fair() ? View.Cell.of("") : View.Cell.of(fit.spearman()),
              View.Cell.of(fit.worst())));
    }
    var prompts = new ArrayList<List<View.Cell>>();
    for (ThesisAnswer answer : thesis) {
      prompts.add(
          List.of(
              View.Cell.of(answer.prompt()),
              View.Cell.of(answer.answer()),
              View.Cell.of(answer.probability()),
              View.Cell.of(answer.best() ? "best" : "not best"),
              View.Cell.of(layer(answer.settled())),
              View.Cell.of(layer(answer.emerged()))));
    }
    List<View.Point> points =
        shares.stream()
            .map(share ->
                View.Point.of(
                    share.planted().rate(),
                    share.predicted(),
                    share.planted().subject(),
                    share.planted().relation()))
            .toList();
    return List.of(
        new View.Table(
            "What the model knows",
            "How often is the right answer its most probable token?",
            List.of("questions", "n", "right", "aim"),
            known),
        new View.Table(
            "What was planted",
            "Does it predict the planted shares, to within %.2f?".formatted(tolerance()),
            List.of("relation", "n", "within", "rank correlation", "worst"),
            fits),
        new View.Table(
            "The thesis' prompts",
            "What does it answer, and from which layer on?",
            List.of("prompt", "answer", "probability", "", "on top from", "sure from"),
            prompts),
        View.Scatter.of(
                "Planted and predicted",
                "Is each planted share what the model predicts?",
                "planted share",
                "predicted share",
                points)
            .withDiagonal());
  }

  private static String layer(int row) {
    return "layer " + row;
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    List<String> names =
        shares.stream()
            .map(share -> share.planted().relation() + " " + share.planted().subject())
            .toList();
    arrays.put("world_planted", grid(names, share -> share.planted().rate()));
    arrays.put("world_predicted", grid(names, Share::predicted));
    return arrays;
  }

  private Grid grid(List<String> names, ToDoubleFunction<Share> value) {
    float[] values = new float[shares.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) value.applyAsDouble(shares.get(i));
    }
    return Grid.vector(Axis.of("association", names), values);
  }
}
