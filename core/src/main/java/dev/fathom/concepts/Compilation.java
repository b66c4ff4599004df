package dev.fathom.concepts;

import dev.fathom.FathomException;
import dev.fathom.align.probe.Auc;
import dev.fathom.align.probe.Features;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.KeptFile;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.checkpoint.WeightWriter;
import dev.fathom.concepts.Dictionary.Measure;
import dev.fathom.data.Concept;
import dev.fathom.model.Kind;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.SequencedMap;
import java.util.function.IntConsumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/// Makes a [Dictionary] of a model: reads a direction of each concept at each layer from texts that
/// are about it and texts that are not ([Reading]), and tries it on texts that were held out.
///
/// All layers come from one pass over each text; what texts begin with is read once. Concepts are
/// read some at a time, so that memory does not grow with their number, and what is read is kept
/// after each time: a run that was killed goes on from there. A concept's numbers depend on its own
/// texts, on those it is read against and on the seed alone; concepts that are in the folder
/// already are left as they are.
///
/// ```java
/// var config = Compilation.Config.standard(model);
/// Compilation.run(model, tokenizer, concepts, concepts, config, folder, done -> {});
/// ```
public final class Compilation {
  /// The text around a stimulus (Luo et al. 2024, after Zou et al. 2023).
  public static final String TEMPLATE =
      "Consider the {concept} in the following scenario:\nScenario: {stimulus}\nAnswer:";

  static final String HELD = "held";

  private static final int SHUFFLES = 4;
  private static final int SHOWN = 40; // chars of a text in a message
  private static final String PARTS = ".parts";
  private static final Pattern LOT = Pattern.compile("concepts-[0-9a-f]{16}\\.safetensors");
  private static final String CONCEPT = "{concept}";
  private static final String STIMULUS = "{stimulus}";
  private static final long MOST_BYTES = 256L << 20; // activations of concepts read together

  private final Transformer model;
  private final Tokenizer tokenizer;
  private final Config config;

  private Compilation(Transformer model, Tokenizer tokenizer, Config config) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.config = config;
  }

  /// Whose name a text about another concept has in the template.
  public enum Naming {
    /// The one that is read, so that the name tells nothing.
    SAME,
    /// Its own: the name alone will tell both apart.
    OWN
  }

  /// What a concept is read against.
  public enum Against {
    /// Texts about any other concept.
    ALL,
    /// Texts about others of its group, which leaves what they have in common out of the direction;
    /// about any, where it has no group or is alone in it.
    GROUP
  }

  /// How directions are read.
  ///
  /// @param site of a layer that has one vector a token
  /// @param layers at least one, ascending
  /// @param template the text around a stimulus, with `{stimulus}` and, if it is to be named,
  ///   `{concept}`
  /// @param heldShare of a concept's texts that are held out, 0 to below 1; at least 2 texts of a
  ///   concept that has 5, none of one that has fewer
  /// @param tokensAtOnce tokens of a pass
  public record Config(
      Kind site,
      List<Integer> layers,
      Reading reading,
      Naming naming,
      Against against,
      String template,
      double heldShare,
      long seed,
      int tokensAtOnce) {
    public Config {
      layers = layers.stream().distinct().sorted().toList();
      if (!template.contains(STIMULUS)) {
        throw new IllegalArgumentException(
            "the template '%s' has no place for a text: write %s where it goes"
                .formatted(template, STIMULUS));
      }
      if (!site.layered() || site.pairwise()) {
        throw new IllegalArgumentException(
            "%s has no vector a token in each layer: choose a site such as resid_post"
                .formatted(site.text()));
      }
      if (layers.isEmpty() || !(heldShare >= 0 && heldShare < 1)) {
        throw new IllegalArgumentException(
            "a dictionary takes at least 1 layer and a held-out share from 0 to below 1, found %d and %s"
                .formatted(layers.size(), heldShare));
      }
    }

    /// The stream after every layer, the first principal component, a fifth held out.
    public static Config standard(Transformer model) {
      return new Config(
          Kind.RESID_POST,
          IntStream.range(0, model.layers()).boxed().toList(),
          Reading.PCA,
          Naming.SAME,
          Against.ALL,
          TEMPLATE,
          0.2,
          42,
          2048);
    }

    public Config with(Reading reading) {
      return new Config(
          site, layers, reading, naming, against, template, heldShare, seed, tokensAtOnce);
    }

    public Config with(Naming naming) {
      return new Config(
          site, layers, reading, naming, against, template, heldShare, seed, tokensAtOnce);
    }

    public Config with(Against against) {
      return new Config(
          site, layers, reading, naming, against, template, heldShare, seed, tokensAtOnce);
    }

    public Config with(Kind site) {
      return new Config(
          site, layers, reading, naming, against, template, heldShare, seed, tokensAtOnce);
    }

    public Config withLayers(List<Integer> layers) {
      return new Config(
          site, layers, reading, naming, against, template, heldShare, seed, tokensAtOnce);
    }

    public Config withTemplate(String template) {
      return new Config(
          site, layers, reading, naming, against, template, heldShare, seed, tokensAtOnce);
    }

    public Config withHeldShare(double share) {
      return new Config(
          site, layers, reading, naming, against, template, share, seed, tokensAtOnce);
    }

    public Config withSeed(long seed) {
      return new Config(
          site, layers, reading, naming, against, template, heldShare, seed, tokensAtOnce);
    }

    String prompt(String concept, String stimulus) {
      // the stimulus last, so that what it says is never taken for a place
      int at = template.indexOf(STIMULUS);
      return template.substring(0, at).replace(CONCEPT, concept)
          + stimulus
          + template.substring(at + STIMULUS.length()).replace(CONCEPT, concept);
    }

    private SequencedMap<String, String> parameters() {
      var parameters = new LinkedHashMap<String, String>();
      parameters.put("site", site.text());
      parameters.put("reading", reading.name().toLowerCase(Locale.ROOT));
      parameters.put("naming", naming.name().toLowerCase(Locale.ROOT));
      parameters.put("against", against.name().toLowerCase(Locale.ROOT));
      parameters.put("template", template);
      parameters.put("held share", Double.toString(heldShare));
      return parameters;
    }
  }

  /// Reads concepts and leaves a dictionary in a folder; those that are there already are kept.
  ///
  /// @param concepts to read, each of another name
  /// @param others what they are read against; may be the same
  /// @param folder made if it is not there
  /// @param progress is told how many concepts more are done
  /// @throws FathomException if the folder's dictionary is of another model or was made otherwise,
  ///   or it cannot be written
  /// @throws IllegalArgumentException if two concepts have one name, there is nothing to read one
  ///   against, a text is too long, or the model has no such site
  public static void run(
      Transformer model,
      Tokenizer tokenizer,
      List<Concept> concepts,
      List<Concept> others,
      Config config,
      Path folder,
      IntConsumer progress) {
    requireDifferent(concepts);
    var compilation = new Compilation(model, tokenizer, config);
    if (!Dictionary.isAt(folder)) {
      compilation.add(Optional.empty(), concepts, others, folder, progress);
      return;
    }
    try (var there = Dictionary.open(folder)) {
      compilation.requireSame(there);
      compilation.add(Optional.of(there), concepts, others, folder, progress);
    }
  }

  private static void requireDifferent(List<Concept> concepts) {
    var names = new HashSet<String>();
    for (Concept concept : concepts) {
      if (!names.add(concept.name())) {
        throw new IllegalArgumentException(
            "two concepts are called '%s': give each a name of its own".formatted(concept.name()));
      }
    }
  }

  private void requireSame(Dictionary there) {
    there.requireModel(model);
    if (!there.layers().equals(config.layers)) {
      throw otherwise(there, "layers", there.layers().toString(), config.layers.toString());
    }
    parameters()
        .forEach((name, value) -> {
          String found = there.card().parameters().getOrDefault(name, "");
          if (!found.equals(value)) {
            throw otherwise(there, name, found, value);
          }
        });
    long seed = there.card().seed().orElse(config.seed);
    if (seed != config.seed) {
      throw otherwise(there, "seed", Long.toString(seed), Long.toString(config.seed));
    }
  }

  /// What a card says, and what must be the same to go on.
  private SequencedMap<String, String> parameters() {
    SequencedMap<String, String> parameters = config.parameters();
    parameters.put("type", model.card().dtype().name().toLowerCase(Locale.ROOT));
    return parameters;
  }

  private static FathomException otherwise(
      Dictionary there, String what, String found, String wanted) {
    return new FathomException(
        ("%s: this dictionary was made with another %s (%s) than is asked for (%s); name the same,"
                + " or another folder")
            .formatted(there.path(), what, found, wanted));
  }

  /// A concept that is to be read, and from what.
  private record Planned(Concept concept, Prompts prompts) {
    int texts() {
      return prompts.with().size() + prompts.without().size();
    }

    Dictionary.Entry entry() {
      int pairs = prompts.with().size() - prompts.held();
      return new Dictionary.Entry(concept.name(), concept.group(), pairs, prompts.held());
    }
  }

  private void add(
      Optional<Dictionary> there,
      List<Concept> concepts,
      List<Concept> others,
      Path folder,
      IntConsumer progress) {
    var entries = new ArrayList<>(there.map(Dictionary::entries).orElse(List.of()));
    var known = new HashSet<>(entries.stream().map(Dictionary.Entry::name).toList());
    List<Concept> missing =
        concepts.stream().filter(concept -> !known.contains(concept.name())).toList();
    progress.accept(concepts.size() - missing.size());
    Path parts = folder.resolve(PARTS);
    var read = new ArrayList<SafetensorsFile>();
    try {
      for (List<Concept> some : lots(missing)) {
        List<Planned> planned =
            some.stream()
                .map(concept -> new Planned(concept, Prompts.of(concept, others, config)))
                .toList();
        read.add(read(planned, parts));
        planned.forEach(each -> entries.add(each.entry()));
        progress.accept(some.size());
      }
      if (!missing.isEmpty()) {
        new Binding(there, read, entries, config, card(entries.size())).write(folder);
      }
    } finally {
      read.forEach(SafetensorsFile::close);
    }
    remove(parts);
  }

  private Card card(int concepts) {
    return Card.of(
            Dictionary.KIND,
            "representation reading",
            model.card().name(),
            model.card().sha256().get())
        .withParameters(parameters())
        .withSeed(config.seed)
        .withData(concepts + " concepts");
  }

  /// Concepts in lots whose activations fit into memory.
  private List<List<Concept>> lots(List<Concept> all) {
    long each = slices().stream().mapToLong(slice -> 4L * Features.width(model, slice)).sum();
    var lots = new ArrayList<List<Concept>>();
    long bytes = 0;
    for (Concept concept : all) {
      long own = each * 2 * concept.stimuli().size();
      if (lots.isEmpty() || bytes + own > MOST_BYTES) {
        lots.add(new ArrayList<>());
        bytes = 0;
      }
      lots.getLast().add(concept);
      bytes += own;
    }
    return lots;
  }

  private List<Slice> slices() {
    return config.layers.stream().map(layer -> Slice.of(config.site, layer)).toList();
  }

  /// Reads some concepts, or finds that they were read before the run was killed.
  private SafetensorsFile read(List<Planned> some, Path parts) {
    var decides = new StringBuilder();
    decides.append(model.card().sha256().get()).append(parameters()).append(config.seed);
    for (Planned planned : some) {
      decides.append('\n').append(planned.concept.name()).append(planned.prompts);
    }
    List<TensorSpec> specs = new ArrayList<>();
    long held = some.stream().mapToLong(planned -> planned.prompts.held()).sum();
    for (Slice slice : slices()) {
      int layer = slice.site().layer();
      int width = Math.toIntExact(Features.width(model, slice));
      Dictionary.specs(some.size(), width)
          .forEach(spec ->
              specs.add(new TensorSpec(name(layer, spec.name()), spec.type(), spec.shape())));
      specs.add(TensorSpec.of(name(layer, HELD), TensorType.F32, held, width));
    }
    return KeptFile.of(parts, "concepts", decides.toString(), specs, writer -> write(some, writer));
  }

  /// What a lot's tensor is called.
  static String name(int layer, String tensor) {
    return layer + "." + tensor;
  }

  private void write(List<Planned> some, WeightWriter writer) {
    some.forEach(this::requireFits);
    List<Features.Text> texts =
        some.stream()
            .flatMap(planned ->
                Stream.concat(planned.prompts.with().stream(), planned.prompts.without().stream()))
            .map(Features.Text::of)
            .toList();
    var reading =
        Features.Config.of(slices())
            .with(Features.Reduction.LAST)
            .tokensAtOnce(config.tokensAtOnce)
            .within(Long.MAX_VALUE);
    try (var features = Features.of(model, tokenizer, texts, reading, _ -> {})) {
      for (Slice slice : slices()) {
        try (var scope = Scope.withoutGradients()) {
          Tensor all = features.at(slice); // [texts, width]
          long at = 0;
          for (Planned planned : some) {
            write(planned, all.narrow(0, at, planned.texts()), slice.site().layer(), writer);
            at += planned.texts();
          }
        }
      }
    }
  }

  private void requireFits(Planned planned) {
    int most = model.card().context();
    Stream.concat(planned.prompts.with().stream(), planned.prompts.without().stream())
        .filter(text -> text.length() > most) // a token has at least one char, but for rare ones
        .forEach(text -> {
          int tokens = tokenizer.encode(text).size();
          if (tokens > most) {
            throw new IllegalArgumentException(
                ("a text of the concept '%s' has %d tokens in the template, but this model reads at"
                        + " most %d: '…%s'")
                    .formatted(
                        planned.concept.name(),
                        tokens,
                        most,
                        text.substring(text.length() - SHOWN)));
          }
        });
  }

  /// One concept at one layer.
  ///
  /// @param all activations with it, then without it
  private void write(Planned planned, Tensor all, int layer, WeightWriter writer) {
    try (var scope = Scope.withoutGradients()) {
      int n = planned.prompts.with().size();
      int held = planned.prompts.held();
      Tensor with = all.narrow(0, held, n - held);
      Tensor without = all.narrow(0, n + held, n - held);
      Tensor heldWith = all.narrow(0, 0, held);
      Tensor heldWithout = all.narrow(0, n, held);
      long seed = Prompts.seed(planned.concept, config);
      Reading.Read read = config.reading.of(with, without, seed);
      Tensor learnt = Tensor.cat(List.of(with, without), 0);
      append(writer, layer, Dictionary.DIRECTION, floats(read.direction()));
      append(writer, layer, Dictionary.MEAN, learnt.mean(0, false).toFloats());
      append(writer, layer, HELD, heldWith.contiguous().toFloats());
      double[] along = along(learnt, read.direction());
      append(writer, layer, Measure.AUC, auc(heldWith, heldWithout, read.direction()));
      append(writer, layer, Measure.SHUFFLED, shuffled(learnt, heldWith, heldWithout, seed));
      append(writer, layer, Measure.STABILITY, stability(with, without, seed));
      append(writer, layer, Measure.EXPLAINED, read.explained());
      append(writer, layer, Measure.SPREAD, deviation(along));
      append(writer, layer, Measure.RANK, Double.NaN); // when all are known
      append(writer, layer, Measure.TOP1, Double.NaN);
      append(writer, layer, Measure.TOP5, Double.NaN);
    }
  }

  private static void append(WeightWriter writer, int layer, String tensor, float[] values) {
    writer.append(name(layer, tensor), values);
  }

  private static void append(WeightWriter writer, int layer, Measure measure, double value) {
    append(writer, layer, measure.tensor(), new float[] {(float) value});
  }

  private static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  private static double[] along(Tensor rows, double[] direction) {
    return rows.to(DType.F64).matmul(Tensor.of(direction, direction.length, 1)).toDoubles();
  }

  private static double auc(Tensor with, Tensor without, double[] direction) {
    if (with.size(0) == 0) {
      return Double.NaN;
    }
    return Auc.ofHalves(along(Tensor.cat(List.of(with, without), 0), direction));
  }

  /// The mean AUC of the same reading of labels that say nothing.
  private double shuffled(Tensor learnt, Tensor heldWith, Tensor heldWithout, long seed) {
    var random = new Random(seed);
    List<Long> order =
        LongStream.range(0, learnt.size(0))
            .boxed()
            .collect(Collectors.toCollection(ArrayList::new));
    long half = learnt.size(0) / 2;
    double sum = 0;
    for (int i = 0; i < SHUFFLES; i++) {
      Collections.shuffle(order, random);
      Tensor rows = learnt.indexSelect(0, order.stream().mapToLong(Long::longValue).toArray());
      Reading.Read read =
          config.reading.of(rows.narrow(0, 0, half), rows.narrow(0, half, half), seed + 3 + i);
      sum += auc(heldWith, heldWithout, read.direction());
    }
    return sum / SHUFFLES;
  }

  private double stability(Tensor with, Tensor without, long seed) {
    long half = with.size(0) / 2;
    if (half < 2) {
      return Double.NaN;
    }
    double[] one =
        config
            .reading
            .of(with.narrow(0, 0, half), without.narrow(0, 0, half), seed + 1)
            .direction();
    double[] other =
        config
            .reading
            .of(with.narrow(0, half, half), without.narrow(0, half, half), seed + 2)
            .direction();
    return IntStream.range(0, one.length).mapToDouble(i -> one[i] * other[i]).sum();
  }

  private static double deviation(double[] values) {
    double mean = Arrays.stream(values).average().orElse(0);
    return Math.sqrt(Arrays.stream(values).map(x -> (x - mean) * (x - mean)).average().orElse(0));
  }

  /// Takes away what was read for a dictionary that is complete now.
  private static void remove(Path parts) {
    if (!Files.isDirectory(parts)) {
      return;
    }
    try (Stream<Path> all = Files.list(parts)) {
      boolean others = false;
      for (Path file : all.toList()) {
        if (LOT.matcher(String.valueOf(file.getFileName())).matches()) {
          Files.delete(file);
        } else {
          others = true;
        }
      }
      if (!others) {
        Files.delete(parts);
      }
    } catch (IOException e) {
      throw new FathomException(parts + ": cannot be removed (" + e.getMessage() + ")", e);
    }
  }
}
