package dev.fathom.explain.report;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.AblationResult;
import dev.fathom.explain.lens.ExitProfile;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.parts.DirectLogitAttribution;
import dev.fathom.model.Transformer;
import dev.fathom.text.TokenDisplay;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Difference;
import dev.fathom.view.Grid;
import dev.fathom.view.Report;
import dev.fathom.view.Result;
import dev.fathom.view.Scale;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// What differs between two models, or a model and itself with an edit, on one prompt? The same
/// methods run on both, A and B, and every picture shows `B − A`. Distributions are set against
/// each other by `KL(A ‖ B) = Σ p_A (ln p_A − ln p_B)`, in nats, at every layer and position of the
/// lens.
///
/// It misleads where the two models do the same by other parts: maps by layer then differ and the
/// answers do not. Two models of one shape that were trained apart have no common layers, only
/// common numbers of layers.
///
/// A new section is a [Part]; of a method whose results have the same axes on both sides, [Part#of]
/// makes one in a line.
public final class Comparison {
  private static final List<Part> PARTS =
      List.of(
          new Part("prediction", Comparison::prediction),
          new Part("lens", Comparison::lens),
          new Part("target", Comparison::target),
          Part.of(
              "exit",
              "Commit depth and early exit",
              "Where the next token is settled earlier (negative) or later (positive) in B.",
              Pair::exit),
          Part.of(
              "dla",
              "Direct logit attribution",
              "What each part writes towards the target's logit, in B more (positive) or less (negative)"
                  + " than in A.",
              Comparison::attribution),
          new Part("ablation", Comparison::ablation));

  private Comparison() {}

  /// One section of a comparison.
  ///
  /// @param id of the section
  public record Part(String id, Function<Pair, Found> make) {
    /// The difference of a method's results, picture by picture and array by array.
    ///
    /// @param method runs on one side
    public static Part of(
        String id, String title, String explanation, BiFunction<Pair, Transformer, Result> method) {
      return new Part(
          id,
          pair -> {
            if (!pair.sameDepth()) {
              return otherDepth(id, title, pair);
            }
            Result a = method.apply(pair, pair.a);
            Result b = method.apply(pair, pair.b);
            return new Found(section(id, title, explanation, a, b), List.of());
          });
    }
  }

  /// What a part has found.
  ///
  /// @param sentences for the summary, made from the numbers
  public record Found(Section section, List<String> sentences) {
    public Found {
      sentences = List.copyOf(sentences);
    }
  }

  /// What is compared, and what several parts need of it.
  public static final class Pair {
    private final Transformer a;
    private final Transformer b;
    private final Tokenizer tokenizer;
    private final Question question;
    private @Nullable LensResult lensA;
    private @Nullable LensResult lensB;
    private @Nullable Divergence divergence;

    Pair(Transformer a, Transformer b, Tokenizer tokenizer, Question question) {
      this.a = a;
      this.b = b;
      this.tokenizer = tokenizer;
      this.question = question;
    }

    public Transformer a() {
      return a;
    }

    public Transformer b() {
      return b;
    }

    public Tokenizer tokenizer() {
      return tokenizer;
    }

    public Question question() {
      return question;
    }

    /// The lens of one side.
    LensResult lens(Transformer model) {
      LensResult known = model == a ? lensA : lensB;
      if (known == null) {
        var config =
            LogitLens.Config.standard().at(question.position()).withTarget(question.target());
        known = LogitLens.run(model, tokenizer, question.prompt(), config);
        if (model == a) {
          lensA = known;
        } else {
          lensB = known;
        }
      }
      return known;
    }

    private ExitProfile exit(Transformer model) {
      return ExitProfile.of(lens(model), model.card().causal());
    }

    Divergence divergence() {
      Divergence known = divergence;
      if (known == null) {
        known = Divergence.of(a, b, question.prompt().ids(), question.position());
        divergence = known;
      }
      return known;
    }

    /// Whether layers of one side stand opposite layers of the other.
    boolean sameDepth() {
      return a.layers() == b.layers();
    }

    private Set<Integer> unscaled() {
      return question.prompt().startToken() ? Set.of(0) : Set.of();
    }

    private String output(int id) {
      return new Names(a, tokenizer).output(id);
    }
  }

  /// The sections there are, in order.
  public static List<Part> parts() {
    return PARTS;
  }

  /// Compares two models that read the same tokens with all there is.
  public static Report run(Transformer a, Transformer b, Tokenizer tokenizer, Question question) {
    return run(a, b, tokenizer, question, PARTS);
  }

  /// The same with some sections, or others of one's own.
  ///
  /// @throws IllegalArgumentException if the two have other outputs
  public static Report run(
      Transformer a, Transformer b, Tokenizer tokenizer, Question question, List<Part> parts) {
    long start = System.nanoTime();
    requireSameOutputs(a, b);
    var pair = new Pair(a, b, tokenizer, question);
    var sections = new ArrayList<Section>();
    var summary = new ArrayList<String>();
    for (Part part : parts) {
      Found found = part.make.apply(pair);
      sections.add(found.section);
      summary.addAll(found.sentences);
    }
    Prompt prompt = question.prompt();
    String target = pair.output(question.target());
    return new Report(
        prompt.text(),
        "A: %s · B: %s · target '%s' · differences are B − A"
            .formatted(a.card().name(), b.card().name(), target),
        summary,
        sections,
        Provenances.of(
            b,
            prompt,
            new Names(b, tokenizer).tokens(prompt),
            (System.nanoTime() - start) / 1e9,
            "compared with",
            a.card().name(),
            "weights compared with",
            a.card().sha256().get(),
            "target",
            target,
            "position",
            Integer.toString(question.position()),
            "metric",
            question.metric().text()));
  }

  private static void requireSameOutputs(Transformer a, Transformer b) {
    if (a.outputs() != b.outputs() || !a.card().labels().equals(b.card().labels())) {
      throw new IllegalArgumentException(
          "%s has %d outputs and %s has %d: what they say can only be compared where both choose among the same tokens."
              .formatted(a.card().name(), a.outputs(), b.card().name(), b.outputs()));
    }
  }

  /// Refuses two models that do not read and say the same tokens.
  ///
  /// @param promptOfA the prompt as A's tokenizer reads it
  /// @param promptOfB the same text as B's does
  /// @throws IllegalArgumentException with the first thing that differs
  public static void requireSameTokens(
      Transformer a,
      Tokenizer tokensOfA,
      Prompt promptOfA,
      Transformer b,
      Tokenizer tokensOfB,
      Prompt promptOfB) {
    requireSameOutputs(a, b);
    long vocabulary = Math.min(a.embedding().vocabulary(), b.embedding().vocabulary());
    for (int id = 0; id < vocabulary; id++) {
      String first = TokenDisplay.of(tokensOfA, id);
      String second = TokenDisplay.of(tokensOfB, id);
      if (!first.equals(second)) {
        throw new IllegalArgumentException(
            "Token %d is '%s' in %s and '%s' in %s: models can only be compared where their vocabularies are the same."
                .formatted(id, first, a.card().name(), second, b.card().name()));
      }
    }
    if (!Arrays.equals(promptOfA.ids(), promptOfB.ids())) {
      throw new IllegalArgumentException(
          "%s reads the prompt as %d tokens and %s as %d others: positions can only be compared where the tokens are the same."
              .formatted(a.card().name(), promptOfA.length(), b.card().name(), promptOfB.length()));
    }
  }

  private static Section section(String id, String title, String explanation, Result a, Result b) {
    List<View> views = Difference.views(a.views(), b.views());
    return new Section(
        id,
        title,
        explanation,
        views.isEmpty()
            ? List.of(
                View.Text.of(
                    title, "The two sides have other axes, so that no picture can be drawn."))
            : views,
        Difference.arrays(a.arrays(), b.arrays()));
  }

  private static Found prediction(Pair pair) {
    LensResult a = pair.lens(pair.a);
    LensResult b = pair.lens(pair.b);
    Divergence divergence = pair.divergence();
    int position = pair.question.position();
    var ids = new LinkedHashSet<Integer>();
    ids.add(pair.question.target());
    for (LensResult side : List.of(a, b)) {
      for (int k = 0; k < Math.min(5, side.topIds().shape()[2]); k++) {
        ids.add((int) side.topIds().at(side.rows() - 1, position, k));
      }
    }
    List<Integer> inOrder =
        ids.stream()
            .sorted((x, y) -> Double.compare(divergence.most(y), divergence.most(x)))
            .toList();
    var rows = new ArrayList<List<View.Cell>>();
    for (int id : inOrder) {
      double first = divergence.a(id);
      double second = divergence.b(id);
      rows.add(
          List.of(
              View.Cell.of(pair.output(id)),
              View.Cell.of(first),
              View.Cell.of(second),
              View.Cell.of(second - first)));
    }
    List<String> tokens = new Names(pair.a, pair.tokenizer).tokens(pair.question.prompt());
    var strip = new ArrayList<View.Token>();
    int changed = 0;
    int compared = divergence.output().size();
    for (int t = 0; t < compared; t++) {
      boolean same = a.top(a.rows() - 1, t) == b.top(b.rows() - 1, t);
      changed += same ? 0 : 1;
      strip.add(
          new View.Token(
              tokens.get(t),
              divergence.output().at(t),
              List.of(
                  "A then says '%s'".formatted(a.said(t)),
                  "B then says '%s'".formatted(b.said(t)))));
    }
    SequencedMap<String, Grid> arrays = new LinkedHashMap<>();
    arrays.put(
        "difference_output_kl",
        Grid.real(List.of(Axis.of("position", tokens)), divergence.output().values()));
    var section =
        new Section(
            "prediction",
            "What they say",
            "The most likely tokens of either side at the position in question, and how far the two"
                + " predictions are apart after each token of the prompt.",
            List.of(
                new View.Table(
                    "Next token",
                    "What does each say next, and how surely?",
                    List.of("token", "A", "B", "B − A"),
                    rows),
                new View.Tokens(
                    "KL(A ‖ B) of the next token",
                    "After which tokens of the prompt do the two part?",
                    strip,
                    Scale.sequential("nats"))),
            arrays);
    return new Found(section, said(pair, a, b, changed));
  }

  private static List<String> said(Pair pair, LensResult a, LensResult b, int changed) {
    int position = pair.question.position();
    Grid kl = pair.divergence().output();
    double worst = Difference.largest(kl);
    if (worst == 0 && a.entropy().equals(b.entropy())) {
      return List.of("Nothing differs: the two say the same, to the last bit, at every position.");
    }
    var lines = new ArrayList<String>();
    String where =
        position == a.positions() - 1 ? "After the last token" : "At token %d".formatted(position);
    double pa = a.topProbability().at(a.rows() - 1, position, 0);
    double pb = b.topProbability().at(b.rows() - 1, position, 0);
    lines.add(
        a.top(a.rows() - 1, position) == b.top(b.rows() - 1, position)
            ? text(
                "%s both say '%s': A with probability %.2f, B with %.2f.",
                where, a.said(position), pa, pb)
            : text(
                "%s A says '%s' with probability %.2f, and B says '%s' with %.2f.",
                where, a.said(position), pa, b.said(position), pb));
    lines.add(
        text(
            "The target '%s' goes from probability %.4f to %.4f and %s.",
            a.target(),
            a.probability(),
            b.probability(),
            a.rank() == b.rank()
                ? text("stays at rank %d", a.rank())
                : text("from rank %d to rank %d", a.rank(), b.rank())));
    int at = 0;
    double sum = 0;
    for (int t = 0; t < kl.size(); t++) {
      sum += kl.at(t);
      at = kl.at(t) > kl.at(at) ? t : at;
    }
    lines.add(
        text(
            "The best next token is another one at %d of %d positions; the predictions are %.3g nats"
                + " apart on average (KL), most after '%s' with %.3g.",
            changed, kl.size(), sum / kl.size(), a.topIds().axis(1).label(at), kl.at(at)));
    return lines;
  }

  private static Found lens(Pair pair) {
    String title = "Logit lens";
    if (!pair.sameDepth()) {
      return otherDepth("lens", title, pair);
    }
    LensResult a = pair.lens(pair.a);
    LensResult b = pair.lens(pair.b);
    Grid kl =
        Grid.real(a.entropy().axes(), Objects.requireNonNull(pair.divergence().cells()).values());
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("difference_lens_kl", kl);
    arrays.putAll(Difference.arrays(a.arrays(), b.arrays()));
    int first = 0;
    while (first < a.rows() && Difference.largest(kl.select(0, first)) == 0) {
      first++;
    }
    var sentences = new ArrayList<String>();
    if (first > 0 && first < a.rows()) {
      sentences.add("Nothing differs before layer %d of %d.".formatted(first, a.rows() - 1));
    }
    var section =
        new Section(
            "lens",
            title,
            "Each cell reads the stream after that layer at that position on both sides. A token in a"
                + " cell is what B would say there where A would say something else, one of them with"
                + " more than 0.2.",
            List.of(
                divergenceMap(pair, a, b, kl),
                map(
                    pair,
                    "Probability of '%s', B − A".formatted(a.target()),
                    "Where does the target gain or lose?",
                    Difference.grid(a.targetProbability(), b.targetProbability()).orElseThrow(),
                    "probability"),
                map(
                    pair,
                    "Rank of '%s', B − A".formatted(a.target()),
                    "Where does the target fall behind (positive) or move up (negative)?",
                    rankShift(a, b),
                    "factors of ten in 1 + rank")),
            arrays);
    return new Found(section, sentences);
  }

  private static Found otherDepth(String id, String title, Pair pair) {
    var text =
        View.Text.of(
            "Other depths",
            "A has %d layers and B has %d: their layers cannot be set against each other, only what they say."
                .formatted(pair.a.layers(), pair.b.layers()));
    return new Found(Section.of(id, title, "", List.of(text)), List.of());
  }

  private static View map(Pair pair, String title, String question, Grid values, String unit) {
    return View.HeatMap.of(title, question, values, Scale.diverging(unit))
        .withUnscaled(pair.unscaled())
        .bottomUp();
  }

  private static View divergenceMap(Pair pair, LensResult a, LensResult b, Grid kl) {
    var labels = new ArrayList<List<String>>();
    var details = new ArrayList<List<List<String>>>();
    for (int row = 0; row < a.rows(); row++) {
      var rowLabels = new ArrayList<String>();
      var rowDetails = new ArrayList<List<String>>();
      for (int t = 0; t < a.positions(); t++) {
        double pa = a.topProbability().at(row, t, 0);
        double pb = b.topProbability().at(row, t, 0);
        boolean other = a.top(row, t) != b.top(row, t);
        boolean sure = Math.max(pa, pb) > LensResult.LABELLED;
        rowLabels.add(other && sure ? b.token(row, t, 0) : "");
        rowDetails.add(
            List.of(
                text("KL %.4g nats", kl.at(row, t)),
                text("A %.3f %s", pa, a.token(row, t, 0)),
                text("B %.3f %s", pb, b.token(row, t, 0)),
                text(
                    "target '%s': A %.4f, rank %d; B %.4f, rank %d",
                    a.target(),
                    a.targetProbability().at(row, t),
                    (long) a.targetRank().at(row, t),
                    b.targetProbability().at(row, t),
                    (long) b.targetRank().at(row, t))));
      }
      labels.add(rowLabels);
      details.add(rowDetails);
    }
    return View.HeatMap.of(
            "KL(A ‖ B)",
            "Where do the two part, and what does B say instead?",
            kl,
            Scale.sequential("nats"))
        .withLabels(labels)
        .withDetails(details)
        .withUnscaled(pair.unscaled())
        .bottomUp();
  }

  private static Grid rankShift(LensResult a, LensResult b) {
    float[] shift = new float[a.rows() * a.positions()];
    for (int row = 0; row < a.rows(); row++) {
      for (int t = 0; t < a.positions(); t++) {
        shift[row * a.positions() + t] =
            (float)
                (Math.log10(1 + b.targetRank().at(row, t))
                    - Math.log10(1 + a.targetRank().at(row, t)));
      }
    }
    return Grid.real(a.entropy().axes(), shift);
  }

  private static Found target(Pair pair) {
    String title = "Target by layer";
    if (!pair.sameDepth()) {
      return otherDepth("target", title, pair);
    }
    LensResult a = pair.lens(pair.a);
    LensResult b = pair.lens(pair.b);
    View view = Difference.view(a.curves(), b.curves()).orElseThrow();
    return new Found(
        Section.of(
            "target",
            title,
            "The target's probability and rank (0 is best) and the entropy at the position in question,"
                + " as the lens reads them on both sides.",
            List.of(view)),
        List.of());
  }

  private static Result attribution(Pair pair, Transformer model) {
    return DirectLogitAttribution.run(model, pair.tokenizer, pair.question.linear());
  }

  private static Found ablation(Pair pair) {
    String title = "Ablation";
    if (!pair.sameDepth()) {
      return otherDepth("ablation", title, pair);
    }
    var config = Ablation.Config.standard();
    AblationResult a = Ablation.run(pair.a, pair.tokenizer, pair.question, config);
    AblationResult b = Ablation.run(pair.b, pair.tokenizer, pair.question, config);
    Section section =
        section(
            "ablation",
            title,
            "What the answer loses when a sublayer is taken away at a layer and position: positive"
                + " where B needs it more than A does.",
            a,
            b);
    return new Found(section, mostMoved(a, b));
  }

  /// The cell whose effect changes most.
  private static List<String> mostMoved(AblationResult a, AblationResult b) {
    double most = 0;
    String sentence = "";
    for (Ablation.Part part : a.effects().keySet()) {
      if (part == Ablation.Part.HEAD) {
        continue; // of all positions at once
      }
      Grid first = Objects.requireNonNull(a.effects().get(part));
      Grid second = Objects.requireNonNull(b.effects().get(part));
      for (int layer = 0; layer < first.shape()[0]; layer++) {
        for (int t = 0; t < first.shape()[1]; t++) {
          double change = Math.abs(second.at(layer, t) - first.at(layer, t));
          if (change > most) {
            most = change;
            sentence =
                text(
                    "Of all ablations, the one without %s at layer %d and '%s' changes most: it costs A %.3g and B %.3g (%s).",
                    part.title(),
                    layer,
                    first.axis(1).label(t),
                    first.at(layer, t),
                    second.at(layer, t),
                    a.metric().unit());
          }
        }
      }
    }
    return most == 0 ? List.of() : List.of(sentence);
  }

  private static String text(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
