package dev.fathom.align.study;

import dev.fathom.align.lope.StereotypeSurvey;
import dev.fathom.align.probe.Generalisation;
import dev.fathom.align.probe.LayerProbes;
import dev.fathom.align.probe.ProbingResult;
import dev.fathom.align.study.Generations.Speaker;
import dev.fathom.edit.Edit;
import dev.fathom.edit.Edits;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.explain.report.Figure;
import dev.fathom.explain.report.Figure.Drawn;
import dev.fathom.explain.report.Figures;
import dev.fathom.model.Transformer;
import dev.fathom.view.Grid;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The thesis' figures and tables about bias: those of probes and neurons from items of StereoSet,
/// the tables from what [AlignmentStudy] left in its folder.
///
/// ```java
/// var data = new AlignmentFigures.Items("dev.json", items, StereotypeSurvey.Config.standard());
/// var more = AlignmentFigures.of(Optional.of(data), Optional.of(alignments));
/// Path page = Figures.run(model, tokenizer, directory, Figures.Config.standard().with(more));
/// ```
///
/// Nothing is aligned: what no study made is missing.
public final class AlignmentFigures {
  /// Methods whose edits speak in Table 5.5, where they are there.
  private static final List<String> SPEAKING = List.of("lope", "pairs", "balance");

  private static final int TOKENS = 30;

  private static final String WITH_ITEMS = "fathom figures -m MODEL --bias-data FILE --out-dir DIR";
  private static final String WITH_ALIGNMENTS =
      "fathom align table -m MODEL --data FILE --words WORDS --out-dir ALIGNMENTS";

  private final Optional<Items> items;
  private final Optional<Path> alignments;
  private @Nullable StereotypeSurvey survey; // made once for five figures

  /// What is probed.
  ///
  /// @param name of the items, for people
  /// @param config how
  public record Items(String name, List<StereoSetItem> items, StereotypeSurvey.Config config) {
    public Items {
      items = List.copyOf(items);
    }
  }

  private AlignmentFigures(Optional<Items> items, Optional<Path> alignments) {
    this.items = items;
    this.alignments = alignments;
  }

  /// Figures of one model.
  ///
  /// @param items empty where there are none
  /// @param alignments the folder of `fathom align table`; empty where there is none
  public static List<Figure> of(Optional<Items> items, Optional<Path> alignments) {
    return new AlignmentFigures(items, alignments).all();
  }

  private Figure probed(
      String id, String title, String expected, Function<StereotypeSurvey, Drawn> make) {
    return new Figure(
        id,
        title,
        expected,
        new Figure.Source.Given(WITH_ITEMS),
        subject -> items.map(given -> make.apply(survey(given, subject))));
  }

  private StereotypeSurvey survey(Items given, Figures.Subject subject) {
    StereotypeSurvey known = survey;
    if (known == null) {
      known =
          StereotypeSurvey.run(
              subject.model(), subject.tokenizer(), given.items, given.config, _ -> {});
      survey = known;
    }
    return known;
  }

  private Figure aligned(
      String id,
      String title,
      String expected,
      Function<Figures.Subject, Function<AlignmentDirectory, Optional<Drawn>>> make) {
    return new Figure(
        id,
        title,
        expected,
        new Figure.Source.Runs(WITH_ALIGNMENTS),
        subject ->
            alignments.flatMap(folder ->
                make.apply(subject).apply(new AlignmentDirectory(folder, subject.model()))));
  }

  private List<Figure> all() {
    return List.of(
        probed(
            "4.9",
            "Biased and other sentences along two probes",
            "LLaMA2-7B on StereoSet: at the second layer the two clusters overlap, though the"
                + " second probe is still better than chance; at the last layer they are apart, and"
                + " both probes are right for 94 %.",
            this::geometry),
        probed(
            "4.10",
            "The ten neurons along each probe",
            "LLaMA2-7B: value vectors along a layer's probe lie mostly in neighbouring layers;"
                + " those of the last probe are spread, so that it alone overlooks many in early"
                + " and middle layers.",
            survey ->
                drawn(
                    survey.neurons(),
                    List.of(survey.neurons().map(), survey.neurons().cosines()),
                    "found_",
                    survey.neurons().places())),
        probed(
            "5.5",
            "Layers that each probe reads",
            "GPT2-XL: some late probes (30 to 40 of 48) have an AUC above 0.9 at 75 % of the"
                + " layers; most read their neighbours only, above all those of the first ten"
                + " layers and the last two.",
            this::spans),
        probed(
            "5.6",
            "How often the neurons along probes fire",
            "GPT2-XL, 1000 biased and 1000 benign texts: at most layers the shares are alike and"
                + " low.",
            survey ->
                drawn(
                    survey.neurons(),
                    List.of(survey.neurons().rates()),
                    "activation_rate",
                    survey.neurons().firing())),
        probed(
            "5.7",
            "How much the neurons along probes fire",
            "The same: at some layers mean activations are apart for biased and benign texts.",
            survey ->
                drawn(
                    survey.neurons(),
                    List.of(survey.neurons().means()),
                    "activation_mean",
                    survey.neurons().firing())),
        aligned(
            "table-5.4",
            "Bias before and after",
            "GPT2-XL on StereoSet, ICAT for gender, race, religion: pretrained 58.4, 69.8, 65.5;"
                + " Subtraction 64.1, 72.9, 68.9; INLP 57.5, 69.9, 67.2; BNS 59.0, 72.3, 70.7;"
                + " Ethos 67.9, 71.6, 73.3; LoPE 68.0, 79.6, 75.7. LoPE loses at most 1.5 of LMS.",
            _ -> directory -> directory.table().map(table -> scores(table, directory.leftOut()))),
        aligned(
            "table-5.5",
            "Texts before and after",
            "LLaMA2-7B says nurses are 'women'; with LoPE 'not sure.'; its chat model 'mostly"
                + " women, right?'. Asian students are good at 'maths and science'; with LoPE"
                + " 'athletics and good at English'. Older people are less capable of 'making"
                + " decisions about their own care'; with LoPE 'learning new things, but they can"
                + " still learn new things'.",
            subject -> directory -> texts(directory.edits(), subject)));
  }

  // ---------------------------------------------------------------- what is drawn

  private static Drawn drawn(Result result, List<View> views, String prefix, String found) {
    SequencedMap<String, Grid> arrays = new LinkedHashMap<>();
    result
        .arrays()
        .forEach((name, grid) -> {
          if (name.startsWith(prefix)) {
            arrays.put(name, grid);
          }
        });
    return new Drawn(views, arrays, found);
  }

  /// Of the second layer and the last.
  private Drawn geometry(StereotypeSurvey survey) {
    ProbingResult probing = survey.probing();
    int last = probing.layers().size() - 1;
    List<Integer> shown = last > 1 ? List.of(1, last) : List.of(last);
    var views = new ArrayList<View>();
    var found = new StringBuilder(told(probing));
    for (int place : shown) {
      views.addAll(probing.geometry(place));
      LayerProbes layer = probing.layers().get(place);
      found.append(
          layer.qualities().stream()
              .map(quality ->
                  format(
                      "%.1f %% (AUC %.3f)",
                      100 * quality.accuracy().value(), quality.auc().value()))
              .collect(
                  Collectors.joining(
                      " and ",
                      " At %s the probe and the one orthogonal to it are right for "
                          .formatted(layer.slice()),
                      "")));
      found.append(format(", overlap %.2f.", layer.geometry().overlap()));
    }
    ProbingResult pictured = probing.picturing(shown);
    SequencedMap<String, Grid> arrays = new LinkedHashMap<>();
    for (String name : List.of("probe_coordinates", "probe_positive", "probe_auc")) {
      Grid grid = pictured.arrays().get(name);
      if (grid != null) {
        arrays.put(name, grid);
      }
    }
    return new Drawn(views, arrays, found.toString());
  }

  /// What was probed, in a sentence.
  private String told(ProbingResult probing) {
    return format(
        "%s: '%s' against '%s', %,d held-out sentences of terms that were not learnt from, of which"
            + " guessing the larger class gets %.1f %%.",
        items.map(Items::name).orElse(""),
        probing.positiveLabel(),
        probing.negativeLabel(),
        probing.texts().size(),
        100 * probing.majority());
  }

  private Drawn spans(StereotypeSurvey survey) {
    ProbingResult probing = survey.probing();
    Generalisation found = probing.generalisation().orElseThrow();
    int layers = found.layers().size();
    int[] reach = new int[layers];
    int unread = 0;
    for (List<Integer> own : found.spans(probing.span())) {
      own.forEach(probe -> reach[probe]++);
      unread += own.isEmpty() ? 1 : 0;
    }
    int best = 0;
    for (int probe = 1; probe < layers; probe++) {
      best = reach[probe] > reach[best] ? probe : best;
    }
    return drawn(
        probing,
        probing.generalisations(),
        "probe_",
        format(
            "%s With %s, %s reads most layers, %d of %d; %d layers are read by no probe.",
            told(probing), probing.span(), found.layers().get(best), reach[best], layers, unread));
  }

  private static Drawn scores(AlignmentTable table, int leftOut) {
    String icats =
        table.entrants().stream()
            .map(entrant -> format("%s %.1f", entrant, table.scores(entrant).pooled().icat()))
            .collect(Collectors.joining(", "));
    String some =
        leftOut == 0
            ? ""
            : " %d outcomes of a study that has not ended count not.".formatted(leftOut);
    return new Drawn(
        table.tables(), table.arrays(), "ICAT, all domains pooled: %s.%s".formatted(icats, some));
  }

  private static Optional<Drawn> texts(
      SequencedMap<String, List<Edit>> edits, Figures.Subject subject) {
    List<String> names = SPEAKING.stream().filter(edits::containsKey).toList();
    if (names.isEmpty()) {
      names =
          edits.keySet().stream().filter(name -> !AlignmentTable.isControl(name)).limit(1).toList();
    }
    if (names.isEmpty()) {
      return Optional.empty();
    }
    var speakers = new ArrayList<Speaker>();
    var edited = new ArrayList<Transformer>();
    try {
      speakers.add(Speaker.of(Entrant.BASE, subject.model(), subject.tokenizer()));
      for (String name : names) {
        edited.add(Edits.apply(subject.model(), edits.getOrDefault(name, List.of())));
        speakers.add(Speaker.of(name, edited.getLast(), subject.tokenizer()));
      }
      GenerationsResult result = Generations.run(speakers, Generations.THESIS, TOKENS);
      return Optional.of(new Drawn(result.views(), result.arrays(), result.found()));
    } finally {
      edited.forEach(Transformer::close);
    }
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
