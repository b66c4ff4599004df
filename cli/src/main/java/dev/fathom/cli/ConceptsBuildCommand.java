package dev.fathom.cli;

import dev.fathom.concepts.BundledConcepts;
import dev.fathom.concepts.Compilation;
import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.DictionaryResult;
import dev.fathom.concepts.Reading;
import dev.fathom.data.Concept;
import dev.fathom.data.ConceptFile;
import dev.fathom.model.Kind;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.Slice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Makes a dictionary of concepts.
@Command(
    name = "build",
    description = "Reads a direction of each concept at each layer, and keeps them in a folder.",
    footer = {
      "",
      "FILE has concepts with texts that are about them: JSON lines with concept,",
      "stimuli and, where of use, group; comma-separated values with concept and",
      "stimulus; or a folder of PaCE-1M. Without one, 36 concepts of 9 groups are read.",
      "A run that was stopped goes on; concepts that are there already are kept.",
      "",
      "Examples:",
      "  fathom concepts build --out-dir concepts/base",
      "  fathom concepts build -m DIR --data concepts.jsonl --out-dir concepts/base",
      "  fathom concepts build -m DIR --data words.csv --out-dir words \\",
      "    --layers late:8 --template \"{stimulus}\" --against group",
    })
final class ConceptsBuildCommand implements Callable<Integer> {
  private static final String EXPLANATION =
      "Directions that texts about a concept move activations along. That one can be read does not"
          + " show that the model uses it: fathom steer pushes along it.";
  private static final int SHOWN = 40;

  /// How a direction is read.
  enum Method {
    pca(Reading.PCA),
    pca_uncentred(Reading.PCA_UNCENTRED),
    mean(Reading.MEAN_DIFFERENCE),
    probe(Reading.PROBE),
    random(Reading.RANDOM);

    private final Reading reading;

    Method(Reading reading) {
      this.reading = reading;
    }
  }

  /// What a concept is read against.
  enum Against {
    all(Compilation.Against.ALL),
    group(Compilation.Against.GROUP);

    private final Compilation.Against against;

    Against(Compilation.Against against) {
      this.against = against;
    }
  }

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();

  @Option(
      names = "--data",
      paramLabel = "FILE",
      description = "Concepts with their texts. Default: 36 that come with Fathom.")
  private @Nullable Path data;

  @Option(
      names = "--others",
      paramLabel = "FILE",
      description = "Further concepts to read these against, which get no direction.")
  private @Nullable Path others;

  @Option(
      names = "--out-dir",
      paramLabel = "DIR",
      required = true,
      description = "The dictionary's folder.")
  private Path folder = Path.of("");

  @Option(
      names = "--method",
      paramLabel = "NAME",
      description =
          "How a direction is read: pca (of differences, turned round at random), pca_uncentred,"
              + " mean (difference), probe, or random, the control. Default: ${DEFAULT-VALUE}.")
  private Method method = Method.pca;

  @Option(
      names = "--site",
      paramLabel = "SITE",
      description =
          "What is read at each layer: resid (the stream after a block), attn_out, mlp_out and so"
              + " on. Default: ${DEFAULT-VALUE}.")
  private String site = "resid";

  @Option(
      names = "--layers",
      paramLabel = "A-B",
      description = "Only these: 4, 4-9, late:4. Default: ${DEFAULT-VALUE}.")
  private String layers = "all";

  @Option(
      names = "--template",
      paramLabel = "TEXT",
      description =
          "The text around a stimulus, with {stimulus} and perhaps {concept}; \\n is a new line."
              + " Default: that of Luo et al. (2024).")
  private String template = Compilation.TEMPLATE;

  @Option(
      names = "--own-name",
      description =
          "Write texts about other concepts with their own names; then the name alone tells them.")
  private boolean ownName;

  @Option(
      names = "--against",
      paramLabel = "WHICH",
      description =
          "Read a concept against texts about all others, or about those of its group. Default:"
              + " ${DEFAULT-VALUE}.")
  private Against against = Against.all;

  @Option(
      names = "--held-share",
      paramLabel = "X",
      description = "Share of the texts to try directions on. Default: ${DEFAULT-VALUE}.")
  private double share = 0.2;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of everything random. Default: ${DEFAULT-VALUE}.")
  private long seed = 42;

  @Mixin private final OutputOptions output = new OutputOptions();

  ConceptsBuildCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    output.requirePlaces();
    AtomicFile.requireFolder(folder);
    List<Concept> concepts =
        data == null ? BundledConcepts.all() : ConceptFile.read(data); // sooner than a model loads
    var pool = new ArrayList<>(concepts);
    if (others != null) {
      pool.addAll(ConceptFile.read(others));
    }
    try (var model = LoadedModel.open(console, modelOptions)) {
      List<Slice> slices = slices(model);
      var config =
          Compilation.Config.standard(model.transformer())
              .with(slices.getFirst().site().kind())
              .withLayers(slices.stream().map(slice -> slice.site().layer()).toList())
              .with(method.reading)
              .with(ownName ? Compilation.Naming.OWN : Compilation.Naming.SAME)
              .with(against.against)
              .withTemplate(template.replace("\\n", "\n"))
              .withHeldShare(share)
              .withSeed(seed);
      try (var progress = output.json().progress(console, "reading", concepts.size())) {
        Compilation.run(
            model.transformer(),
            model.tokenizer(),
            concepts,
            pool,
            config,
            folder,
            progress::advance);
      }
    }
    try (var dictionary = Dictionary.open(folder)) {
      var result = DictionaryResult.of(dictionary, dictionary.bestLayer(), SHOWN);
      ResultOutput.show(
          console, output, String.valueOf(folder.getFileName()), "Concepts", EXPLANATION, result);
    }
    if (output.json().showsText()) {
      console.err().println("written to " + folder);
    }
    return Main.DONE;
  }

  private List<Slice> slices(LoadedModel model) {
    String kind = site.equals("resid") ? Kind.RESID_POST.text() : site;
    List<Slice> slices =
        SiteAddress.parse(kind + "." + layers).slices(model.transformer()).stream().toList();
    if (new LinkedHashSet<>(slices).size() != slices.size()
        || slices.stream().anyMatch(slice -> !slice.units().isEmpty())) {
      throw new IllegalArgumentException(
          "--site %s: a whole site is needed, such as resid, attn_out or mlp_out.".formatted(site));
    }
    return slices;
  }
}
