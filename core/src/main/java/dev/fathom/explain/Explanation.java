package dev.fathom.explain;

import dev.fathom.data.Prompt;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The report of `fathom explain`: what a model says next and how it comes to say it, one section a
/// method. A new section is a line in [#SECTIONS].
public final class Explanation {
  /// One part of the report and the method that makes it.
  private record Part(String id, Function<Subject, Section> make) {}

  private static final List<Part> SECTIONS =
      List.of(
          new Part("lens", Explanation::lens),
          new Part("target", Explanation::target),
          new Part("exit", Explanation::exit));

  private Explanation() {}

  /// Names of the sections, in order.
  public static List<String> sections() {
    return SECTIONS.stream().map(Part::id).toList();
  }

  /// What a section is made from; what several of them need is computed once.
  private static final class Subject {
    final Transformer model;
    final Tokenizer tokenizer;
    final Prompt prompt;
    final LogitLens.Config config;
    private @Nullable LensResult lens;
    private @Nullable ExitProfile exit;

    Subject(Transformer model, Tokenizer tokenizer, Prompt prompt, LogitLens.Config config) {
      this.model = model;
      this.tokenizer = tokenizer;
      this.prompt = prompt;
      this.config = config;
    }

    LensResult lens() {
      LensResult known = lens;
      if (known == null) {
        known = LogitLens.run(model, tokenizer, prompt, config);
        lens = known;
      }
      return known;
    }

    ExitProfile exit() {
      ExitProfile known = exit;
      if (known == null) {
        known = ExitProfile.of(lens(), model.card().causal());
        exit = known;
      }
      return known;
    }
  }

  /// Explains what the model says at the position of `config`.
  public static Report run(
      Transformer model, Tokenizer tokenizer, Prompt prompt, LogitLens.Config config) {
    var subject = new Subject(model, tokenizer, prompt, config);
    List<Section> sections = SECTIONS.stream().map(part -> part.make.apply(subject)).toList();
    LensResult lens = subject.lens();
    return new Report(
        prompt.text(),
        "%s · target '%s' · %s"
            .formatted(lens.provenance().model(), lens.target(), lens.provenance().dtype()),
        summary(subject),
        sections,
        lens.provenance());
  }

  private static List<String> summary(Subject subject) {
    LensResult lens = subject.lens();
    var lines = new ArrayList<String>();
    int blocks = lens.rows() - 1;
    String where =
        lens.position() == lens.positions() - 1
            ? "After the last token"
            : "At token %d".formatted(lens.position());
    lines.add(
        String.format(
            Locale.ROOT,
            "%s the model says '%s' with probability %.2f.",
            where,
            lens.said(lens.position()),
            lens.topProbability().at(blocks, lens.position(), 0)));
    if (lens.rank() > 0) {
      lines.add(
          String.format(
              Locale.ROOT,
              "The target '%s' has probability %.4f, rank %d.",
              lens.target(),
              lens.probability(),
              lens.rank()));
    } else if (lens.settled() == blocks) {
      lines.add("Only the last of %d layers puts the target first.".formatted(blocks));
    } else if (lens.settled() == 0) {
      lines.add("Every layer puts the target first, the embedding included.");
    } else {
      lines.add(
          "The target is the lens' first choice from layer %d of %d on, and stays it."
              .formatted(lens.settled(), blocks));
    }
    lines.add(
        String.format(
            Locale.ROOT,
            "Over the whole prompt the next token is settled at layer %.1f of %d on average.",
            subject.exit().meanCommitDepth(),
            blocks));
    return lines;
  }

  private static Section lens(Subject subject) {
    return new Section(
        "lens",
        "Logit lens",
        "Each cell is what the model would say next at that position if it stopped after that layer:"
            + " the bottom row is the embedding, the top row the model's own prediction. Colour is the"
            + " probability of the best token, which is written where it exceeds 0.2.",
        List.of(subject.lens().heatMap()),
        subject.lens().arrays());
  }

  private static Section target(Subject subject) {
    return Section.of(
        "target",
        "Target by layer",
        "The target's probability and rank (0 is best) and the entropy of the whole distribution, as the"
            + " lens reads them at the position in question. Rank often improves long before the"
            + " probability does.",
        List.of(subject.lens().curves()));
  }

  private static Section exit(Subject subject) {
    ExitProfile exit = subject.exit();
    var views = new ArrayList<>(exit.views());
    if (!Double.isNaN(exit.overthought())) {
      views.add(
          View.Text.of(
              "Overthinking",
              String.format(
                  Locale.ROOT,
                  "At %.0f %% of the positions an earlier layer had the true next token first and the"
                      + " last layer has not.",
                  100 * exit.overthought())));
    }
    return new Section(
        "exit",
        "Commit depth and early exit",
        "How early the answer is there. Commit depth is the first layer from which the best token no"
            + " longer changes. These are readings of the lens: an upper estimate of what early exit"
            + " can save.",
        views,
        exit.arrays());
  }
}
