package dev.fathom.cli;

import dev.fathom.align.probe.Features;
import dev.fathom.align.probe.LogisticFit;
import dev.fathom.align.probe.Probes;
import dev.fathom.align.probe.Probing;
import dev.fathom.align.probe.ProbingResult;
import dev.fathom.align.probe.SpanRule;
import dev.fathom.align.probe.Split;
import dev.fathom.align.probe.TwoClasses;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.data.LabelledText;
import dev.fathom.data.LabelledTextFile;
import dev.fathom.model.Kind;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.Slice;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Learns lines that tell two classes of texts apart, at every layer.
@Command(
    name = "probe",
    description = "Shows at which layers two classes of texts can be told apart.",
    footer = {
      "",
      "FILE has texts with labels: comma-separated values with a header, or JSON",
      "lines, with text, label and, where of use, group and word. Texts of one group",
      "(a template, a term, a source) should not be on both sides of the split.",
      "",
      "Examples:",
      "  fathom probe --data reviews.csv",
      "  fathom probe -m DIR --data topics.jsonl --positive sport --html page.html",
      "  fathom probe -m DIR --data people.csv --reduce word --site mlp_out",
      "  fathom probe -m DIR --data people.csv --layers 8-20 --save people.safetensors",
    })
final class ProbeCommand implements Callable<Integer> {
  private static final String EXPLANATION =
      "A line through the activations of each layer, learnt from some of the texts and tried on the"
          + " others. That a class can be read somewhere does not show that the model reads it.";

  /// Which tokens of a text are read.
  enum Reduce {
    mean(Features.Reduction.MEAN),
    last(Features.Reduction.LAST),
    word(Features.Reduction.WORD);

    private final Features.Reduction reduction;

    Reduce(Features.Reduction reduction) {
      this.reduction = reduction;
    }
  }

  /// How texts are split.
  enum By {
    random,
    group
  }

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();

  @Option(
      names = "--data",
      paramLabel = "FILE",
      required = true,
      description = "Texts with labels, as CSV or JSON lines.")
  private Path data = Path.of("");

  @Option(
      names = "--positive",
      paramLabel = "LABEL",
      description =
          "The class to find, against all other labels. Default, of two labels: the last in"
              + " alphabetical order.")
  private @Nullable String positive;

  @Option(
      names = "--negative",
      paramLabel = "LABEL",
      description = "The only label to find it against; texts with others are left out.")
  private @Nullable String negative;

  @Option(
      names = "--site",
      paramLabel = "SITE",
      description =
          "What is read at each layer: resid (the stream after a block), attn_out, mlp_out,"
              + " mlp_act, z.h3 and so on. Default: ${DEFAULT-VALUE}.")
  private String site = "resid";

  @Option(
      names = "--layers",
      paramLabel = "A-B",
      description = "Only these: 4, 4-9, late:4. Default: ${DEFAULT-VALUE}.")
  private String layers = "all";

  @Option(
      names = "--reduce",
      paramLabel = "HOW",
      description =
          "One vector a text: mean over its tokens, last token, or word (the tokens of the text's"
              + " word). Default: ${DEFAULT-VALUE}.")
  private Reduce reduce = Reduce.mean;

  @Option(
      names = "--bos",
      negatable = true,
      description = "Begin texts with the start token, or not, whatever the tokenizer's files say.")
  private @Nullable Boolean startToken;

  @Option(names = "--special", description = "Count start and end tokens in the mean, too.")
  private boolean special;

  @Option(
      names = "--split",
      paramLabel = "BY",
      description =
          "random, or group (no group on both sides). Default: group where texts have groups.")
  private @Nullable By by;

  @Option(
      names = "--test-share",
      paramLabel = "X",
      description = "Share of the texts to try probes on. Default: ${DEFAULT-VALUE}.")
  private double share = 0.2;

  @Option(
      names = "--probes",
      paramLabel = "J",
      description = "Probes a layer, each orthogonal to those before. Default: ${DEFAULT-VALUE}.")
  private int probes = Probing.Config.standard().probes();

  @Option(
      names = "--shuffles",
      paramLabel = "N",
      description = "Probes that learn shuffled labels instead. Default: ${DEFAULT-VALUE}.")
  private int shuffles = Probing.Config.standard().shuffles();

  @Option(
      names = "--strength",
      paramLabel = "C",
      description =
          "Weight of the texts against the penalty on large weights. Default: ${DEFAULT-VALUE}.")
  private double strength = LogisticFit.Config.standard().c();

  @Option(
      names = "--span",
      paramLabel = "X",
      description =
          "A probe reads another layer if its AUC there exceeds X. Default: ${DEFAULT-VALUE}.")
  private double span = 0.9;

  @Option(
      names = "--geometry",
      split = ",",
      paramLabel = "L",
      description = "Layers to picture. Default: the second, the best and the last.")
  private List<Integer> geometry = List.of();

  @Option(
      names = "--cache",
      paramLabel = "DIR",
      description =
          "Where what the model computed is kept for the next time. Default:"
              + " ~/.cache/fathom/features.")
  private @Nullable Path cache;

  @Option(names = "--no-cache", description = "Keep nothing; all must fit into memory.")
  private boolean noCache;

  @Option(names = "--save", paramLabel = "FILE.safetensors", description = "Keep the directions.")
  private @Nullable Path save;

  @Mixin private final SeedOption seed = new SeedOption();
  @Mixin private final OutputOptions output = new OutputOptions();

  ProbeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (noCache && cache != null) {
      throw new IllegalArgumentException("Give one of --cache and --no-cache.");
    }
    requireNumbers();
    output.requirePlaces();
    if (save != null) {
      AtomicFile.requirePlace(save);
    }
    if (cache != null) {
      AtomicFile.requireFolder(cache);
    }
    var config =
        Probing.Config.standard()
            .withProbes(probes)
            .withShuffles(shuffles)
            .with(LogisticFit.Config.standard().withC(strength))
            .with(new SpanRule.Threshold(span))
            .withSeed(seed.seed());
    TwoClasses classes =
        TwoClasses.of(
            LabelledTextFile.read(data),
            Optional.ofNullable(positive),
            Optional.ofNullable(negative));
    requireWords(classes);
    Split split = split(classes); // fails sooner than a model loads
    try (var model = LoadedModel.open(console, modelOptions)) {
      List<Slice> slices = slices(model);
      List<Integer> pictured = pictured(slices);
      try (var features = features(model, classes, slices)) {
        ProbingResult result;
        try (var progress = output.json().progress(console, "probing", slices.size())) {
          result =
              Probing.run(
                  model.transformer(), features, classes, split, config, () -> progress.advance(1));
        }
        finish(model, pictured.isEmpty() ? result : result.picturing(pictured));
      }
    }
    return Main.DONE;
  }

  private void requireNumbers() {
    if (probes < 1) {
      throw new IllegalArgumentException("--probes %d: at least 1 is needed.".formatted(probes));
    }
    if (shuffles < 0) {
      throw new IllegalArgumentException(
          "--shuffles %d: 0 or more are needed.".formatted(shuffles));
    }
    if (!(strength > 0)) {
      throw new IllegalArgumentException(
          "--strength %s: a number above 0 is needed.".formatted(strength));
    }
    if (!(span >= 0 && span < 1)) {
      throw new IllegalArgumentException(
          "--span %s: an AUC from 0 to below 1 is needed, such as 0.9.".formatted(span));
    }
  }

  private void finish(LoadedModel model, ProbingResult result) {
    if (save != null) {
      var described = "%s, sha256 %s".formatted(data.getFileName(), InputFiles.sha256(data));
      Probes.of(model.transformer(), result, described).save(save);
    }
    ResultOutput.show(
        console, output, String.valueOf(data.getFileName()), "Probes", EXPLANATION, result);
    if (save != null && output.json().showsText()) {
      console.err().println("written to " + save);
    }
  }

  private void requireWords(TwoClasses classes) {
    if (reduce != Reduce.word) {
      return;
    }
    for (LabelledText text : classes.texts()) {
      if (text.word().isEmpty()) {
        throw new IllegalArgumentException(
            "--reduce word needs a word with each text, but '%s' has none."
                .formatted(Table.harmless(text.text(), 40)));
      }
    }
  }

  private Split split(TwoClasses classes) {
    boolean grouped = by == null ? classes.grouped() : by == By.group;
    if (grouped && !classes.grouped()) {
      throw new IllegalArgumentException(
          "--split group needs texts with groups, but %s has no group.".formatted(data));
    }
    return grouped
        ? Split.byGroup(classes.groups(), classes.positive(), share, seed.seed())
        : Split.random(classes.positive(), share, seed.seed());
  }

  private List<Slice> slices(LoadedModel model) {
    String named = site.equals("resid") ? Kind.RESID_POST.text() : site;
    Kind kind =
        List.of(Kind.values()).stream()
            .filter(k -> named.equals(k.text()) || named.startsWith(k.text() + "."))
            .max((a, b) -> Integer.compare(a.text().length(), b.text().length()))
            .orElse(null);
    if (kind == null || !kind.layered()) {
      return SiteAddress.parse(named).slices(model.transformer()); // or says what is wrong
    }
    String unit = named.substring(kind.text().length());
    return SiteAddress.parse(kind.text() + "." + layers + unit).slices(model.transformer());
  }

  /// The places of the layers to picture.
  private List<Integer> pictured(List<Slice> slices) {
    return geometry.stream()
        .map(layer ->
            IntStream.range(0, slices.size())
                .filter(place -> slices.get(place).site().layer() == layer)
                .findFirst()
                .orElseThrow(() ->
                    new IllegalArgumentException(
                        "--geometry %d: only %s to %s are read."
                            .formatted(layer, slices.getFirst(), slices.getLast()))))
        .toList();
  }

  private Features features(LoadedModel model, TwoClasses classes, List<Slice> slices) {
    List<Features.Text> texts = classes.texts().stream().map(Features.Text::of).toList();
    var config = Features.Config.of(slices).with(reduce.reduction);
    if (startToken != null) {
      config = config.startToken(startToken);
    }
    if (special) {
      config = config.withSpecial();
    }
    try (var progress = output.json().progress(console, "reading", texts.size())) {
      if (noCache) {
        return Features.of(
            model.transformer(), model.tokenizer(), texts, config, progress::advance);
      }
      Path directory = cache == null ? Bundled.userCache().resolveSibling("features") : cache;
      return Features.cached(
          model.transformer(), model.tokenizer(), texts, config, directory, progress::advance);
    }
  }
}
