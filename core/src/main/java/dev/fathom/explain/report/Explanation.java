package dev.fathom.explain.report;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.Patching;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.report.Findings.Work;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Scope;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The report of `fathom explain`: what a model says next and how it comes to say it, one section a
/// method. A new section is an entry of `Sections`.
///
/// It misleads where one section is read alone. Each method asks another question: the lens what
/// can be read off, ablation and patching what is used, direct attribution and decomposition what
/// is written, gradients what would change. The paragraph at the top says where they disagree.
public final class Explanation {
  private Explanation() {}

  /// Names of the sections, in the order of the report.
  public static List<String> sections() {
    return Sections.ALL.stream().map(Sections.Part::id).toList();
  }

  /// How far a report is.
  public interface Progress {
    /// @param section what is being made, its heading
    /// @param share of the whole work that is done, 0 to 1
    void at(String section, double share);
  }

  /// @param sections in the order wanted; empty for those that are not slow and have what they need
  /// @param corrupt another prompt of as many tokens, for `patch` and `path`
  /// @param subject the tokens that the fact is about, for `trace`
  /// @param budget memory that changed runs may take at a time, in bytes
  public record Config(
      List<String> sections,
      Optional<Prompt> corrupt,
      Optional<TokenSpan> subject,
      long budget,
      Progress progress) {
    public Config {
      sections = List.copyOf(new LinkedHashSet<>(sections));
      for (String section : sections) {
        if (!section.equals("all") && !Explanation.sections().contains(section)) {
          throw new IllegalArgumentException(
              "There is no section '%s': choose among %s, or all."
                  .formatted(section, String.join(", ", Explanation.sections())));
        }
      }
    }

    /// What can be had quickly, without another prompt.
    public static Config standard() {
      return new Config(
          List.of(),
          Optional.empty(),
          Optional.empty(),
          Ablation.Config.standard().budget(),
          (_, _) -> {});
    }

    /// Only these sections, in this order; `all` for all whose inputs are there.
    ///
    /// @throws IllegalArgumentException if there is none of that name
    public Config of(List<String> sections) {
      return new Config(sections, corrupt, subject, budget, progress);
    }

    public Config withCorrupt(Prompt prompt) {
      return new Config(sections, Optional.of(prompt), subject, budget, progress);
    }

    public Config withSubject(TokenSpan span) {
      return new Config(sections, corrupt, Optional.of(span), budget, progress);
    }

    public Config within(long bytes) {
      return new Config(sections, corrupt, subject, bytes, progress);
    }

    public Config telling(Progress progress) {
      return new Config(sections, corrupt, subject, budget, progress);
    }
  }

  /// Explains an answer.
  ///
  /// @throws IllegalArgumentException as [#plan], or if the memory is too little
  public static Report run(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    return plan(model, tokenizer, question, config).run();
  }

  /// What a report will hold, and how long that will take.
  ///
  /// @throws IllegalArgumentException if a section that is named lacks what it needs, or the
  ///   corrupt prompt or the subject do not fit the prompt
  public static Plan plan(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    int[] ids = question.ids(model);
    config.corrupt.ifPresent(
        corrupt -> Patching.requireComparable(new Names(model, tokenizer), question, corrupt, ids));
    config.subject.ifPresent(span -> CausalTracing.requireBefore(question, span, ids.length));
    var chosen = new ArrayList<Sections.Part>();
    var left = new LinkedHashMap<Sections.Part, String>();
    boolean named = !config.sections.isEmpty() && !config.sections.contains("all");
    if (named) {
      for (String id : config.sections) {
        chosen.add(named(model, config, id));
      }
    } else {
      for (Sections.Part part : Sections.ALL) {
        String why = left(model, config, part);
        if (why == null) {
          chosen.add(part);
        } else {
          left.put(part, why);
        }
      }
    }
    return new Plan(model, tokenizer, question, config, chosen, left);
  }

  private static Sections.Part named(Transformer model, Config config, String id) {
    Sections.Part part =
        Sections.ALL.stream().filter(p -> p.id().equals(id)).findFirst().orElseThrow();
    if (!part.input().given(config)) {
      throw new IllegalArgumentException(
          "The section %s needs %s: add %s.".formatted(id, part.input().what, part.input().option));
    }
    part.suits().accept(model);
    return part;
  }

  /// Why a section that is not named is left out, and how to get it; null if it is not.
  private static @Nullable String left(Transformer model, Config config, Sections.Part part) {
    String refusal = part.refusal(model);
    if (refusal != null) {
      return refusal;
    }
    boolean all = config.sections.contains("all");
    boolean given = part.input().given(config);
    boolean skipped = part.slow() && !all && !(part.input() == Sections.Input.SUBJECT && given);
    if (given && !skipped) {
      return null;
    }
    if (given) {
      return "slow, ask for it with --sections %s".formatted(part.id());
    }
    return "%sneeds %s, add %s"
        .formatted(
            skipped ? "slow, and " : "",
            part.input().what,
            skipped && part.input() != Sections.Input.SUBJECT
                ? "%s --sections %s".formatted(part.input().option, part.id())
                : part.input().option);
  }

  /// A report that has not been made yet.
  public static final class Plan {
    private final Transformer model;
    private final Tokenizer tokenizer;
    private final Question question;
    private final Config config;
    private final List<Sections.Part> chosen;
    private final SequencedMap<Sections.Part, String> left;
    private final Pace pace;
    private final Findings.Size size;

    private Plan(
        Transformer model,
        Tokenizer tokenizer,
        Question question,
        Config config,
        List<Sections.Part> chosen,
        SequencedMap<Sections.Part, String> left) {
      this.model = model;
      this.tokenizer = tokenizer;
      this.question = question;
      this.config = config;
      this.chosen = chosen;
      this.left = left;
      int tokens = question.ids(model).length;
      this.pace = Pace.of(model, tokens);
      this.size =
          new Findings.Size(
              model.layers(),
              model.blocks().getFirst().attention().heads(),
              tokens,
              pace.head(),
              !model.card().causal());
    }

    /// The sections that will be made.
    public List<String> sections() {
      return chosen.stream().map(Sections.Part::id).toList();
    }

    /// The sections that will not, though nobody said so.
    public List<String> leftOut() {
      return left.keySet().stream().map(Sections.Part::id).toList();
    }

    /// How long it will take, right within a factor of two or so.
    public double seconds() {
      return seconds(works());
    }

    private double seconds(Set<Work> works) {
      return works.stream().mapToDouble(this::seconds).sum();
    }

    private double seconds(Work work) {
      return pace.of(work.cost(size));
    }

    private Set<Work> works() {
      var works = EnumSet.of(Work.LENS); // the paragraph at the top needs it
      chosen.forEach(part -> works.addAll(part.works()));
      return works;
    }

    /// Makes the report.
    public Report run() {
      long start = System.nanoTime();
      double all = seconds();
      var done = EnumSet.noneOf(Work.class);
      var heading = new String[] {"Logit lens"};
      var told = new double[1]; // a share that was told is never taken back
      try (var scope = Scope.withoutGradients()) {
        var findings =
            new Findings(
                model,
                tokenizer,
                question,
                config,
                (work, share) -> {
                  double before = seconds(done);
                  if (share == 1) {
                    done.add(work);
                  }
                  double now = (before + Math.min(1, share) * seconds(work)) / all;
                  told[0] = Math.clamp(now, told[0], 1);
                  config.progress.at(heading[0], told[0]);
                });
        LensResult lens = findings.lens();
        var sections = new ArrayList<Section>();
        var saved = new LinkedHashMap<String, Grid>();
        for (Sections.Part part : chosen) {
          heading[0] = part.title();
          Sections.Shown shown = part.make().apply(findings);
          sections.add(
              new Section(
                  part.id(),
                  part.title(),
                  part.explanation(),
                  shown.views(),
                  fresh(saved, shown.arrays())));
        }
        String summary = ExplanationSummary.of(findings);
        if (!left.isEmpty()) {
          sections.add(leftOutSection());
        }
        return new Report(
            question.prompt().text(),
            subtitle(lens),
            List.of(summary),
            sections,
            provenance(lens.provenance(), (System.nanoTime() - start) / 1e9));
      }
    }

    /// Arrays that no earlier section has; two of one name are one array.
    private static SequencedMap<String, Grid> fresh(
        SequencedMap<String, Grid> saved, SequencedMap<String, Grid> arrays) {
      var fresh = new LinkedHashMap<String, Grid>();
      arrays.forEach((name, grid) -> {
        Grid before = saved.putIfAbsent(name, grid);
        if (before == null) {
          fresh.put(name, grid);
        } else if (!before.equals(grid)) {
          throw new IllegalStateException("two sections have different arrays '" + name + "'");
        }
      });
      return fresh;
    }

    private Section leftOutSection() {
      var lines = new ArrayList<String>();
      left.forEach((part, why) -> {
        double more = seconds(part.works()) - seconds(common(part.works()));
        lines.add(
            why.endsWith(".")
                ? "%s (%s): %s".formatted(part.title(), part.id(), why)
                : "%s (%s): %s (about %s).".formatted(part.title(), part.id(), why, spoken(more)));
      });
      lines.add("--sections takes several names, with commas, or all.");
      return Section.of(
          "left-out",
          "Left out",
          "What this report could also say.",
          List.of(View.Text.of("Left out", lines.toArray(String[]::new))));
    }

    private Set<Work> common(Set<Work> works) {
      var common = EnumSet.copyOf(works());
      common.retainAll(works);
      return common;
    }

    private String subtitle(LensResult lens) {
      String foil = foil();
      return "%s · target '%s'%s · %s · %s"
          .formatted(
              lens.provenance().model(),
              lens.target(),
              foil.isEmpty() ? "" : ", foil '" + foil + "'",
              question.metric().text(),
              lens.provenance().dtype());
    }

    private String foil() {
      return question.foil().isEmpty()
          ? ""
          : new Names(model, tokenizer).output(question.foil().getAsInt());
    }

    private Provenance provenance(Provenance lens, double seconds) {
      var parameters = new LinkedHashMap<String, String>();
      parameters.put("sections", String.join(", ", sections()));
      parameters.put("target", new Names(model, tokenizer).output(question.target()));
      if (question.foil().isPresent()) {
        parameters.put("foil", foil());
      }
      parameters.put("metric", question.metric().text());
      parameters.put("position", Integer.toString(question.position()));
      config.corrupt.ifPresent(corrupt -> parameters.put("corrupt", corrupt.text()));
      config.subject.ifPresent(span ->
          parameters.put(
              "subject",
              String.join("", lens.tokens().subList(span.first(), span.last() + 1)).strip()));
      return new Provenance(
          lens.model(),
          lens.weights(),
          lens.version(),
          lens.tokenIds(),
          lens.tokens(),
          parameters,
          lens.seed(),
          lens.dtype(),
          seconds,
          Memory.peakBytes());
    }
  }

  /// A time as people say it: `2 s`, `3 min`.
  public static String spoken(double seconds) {
    if (seconds < 1) {
      return "1 s";
    }
    return seconds < 100
        ? String.format(Locale.ROOT, "%.0f s", seconds)
        : String.format(Locale.ROOT, "%.0f min", Math.max(2, seconds / 60));
  }
}
