package dev.fathom.align.probe;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.KeptFile;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.checkpoint.WeightWriter;
import dev.fathom.data.LabelledText;
import dev.fathom.data.Prompt;
import dev.fathom.evaluate.PackedRows;
import dev.fathom.model.Kind;
import dev.fathom.model.Pass;
import dev.fathom.model.PositionSpan;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Encoding;
import dev.fathom.text.Tokenizer;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// One vector a text at every site that is asked for: the mean over its tokens, its last token, or
/// the tokens of a word. What probes are trained on.
///
/// All sites come from one pass over each text. Texts are sorted by length and packed without
/// padding, what several begin with is read once by a causal model, and what a pass shows is
/// reduced at once: never more than the `texts × sites × width` numbers of the result are held,
/// F32, in memory or in a file ([#cached]). A second run over the same texts with the same weights
/// and settings reads that file and makes no pass.
///
/// The start token, on which models park what they do not need, is left out of a mean, and so are
/// end tokens. Where a tokenizer adds none, the first word takes that part: ask for a start token.
///
/// ```java
/// var config = Features.Config.of(Features.everyLayer(model, Kind.RESID_POST));
/// try (var features = Features.of(model, tokenizer, texts, config, _ -> {});
///     var scope = Scope.open()) {
///   Tensor x = features.at(config.slices().getLast()); // [texts, dModel]
/// }
/// ```
///
/// ## File
///
/// A safetensors file: for each slice a tensor of its name (`resid_post.3`), F32 `[texts, width]`,
/// rows as they were computed; and `order`, I64 `[texts]`, the number of each row's text. A
/// [KeptFile], so that a file of other weights, texts or settings is never taken for it.
public final class Features implements AutoCloseable {
  private static final String ORDER = "order";

  private final int size;
  private final Config config;
  private final long[] places;
  private final Map<Slice, Tensor> held;
  private final Optional<SafetensorsFile> file;
  private final boolean computed;

  private Features(
      int size,
      Config config,
      long[] places,
      Map<Slice, Tensor> held,
      Optional<SafetensorsFile> file,
      boolean computed) {
    this.size = size;
    this.config = config;
    this.places = places;
    this.held = held;
    this.file = file;
    this.computed = computed;
  }

  /// Which tokens of a text are read.
  public enum Reduction {
    /// The mean over all.
    MEAN,
    /// The last one.
    LAST,
    /// The mean over those of a part of the text ([Text#from()]).
    WORD;

    /// The name on the command line.
    public String text() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /// A text, and the part of it that [Reduction#WORD] reads.
  ///
  /// @param from first char of the part
  /// @param to one past its last char
  public record Text(String text, int from, int to) {
    public Text {
      if (from < 0 || to > text.length() || from >= to) {
        throw new IllegalArgumentException(
            "chars %d to %d are no part of '%s'".formatted(from, to, text));
      }
    }

    /// A whole text.
    public static Text of(String text) {
      return new Text(text, 0, text.length());
    }

    /// A text and its word, where that occurs last; the whole text without a word.
    public static Text of(LabelledText labelled) {
      String text = labelled.text();
      return labelled
          .word()
          .map(word -> {
            int from = text.lastIndexOf(word);
            return new Text(text, from, from + word.length());
          })
          .orElse(of(text));
    }
  }

  /// What is read.
  ///
  /// @param slices whole sites, or some of their heads or neurons; all rows and positions
  /// @param startToken whether texts begin with the start token; empty for as the tokenizer's files
  ///   say
  /// @param special whether start and end tokens count in a mean
  /// @param tokensAtOnce tokens packed into one pass; a longer text goes alone
  /// @param mostBytes what may be held in memory
  public record Config(
      List<Slice> slices,
      Reduction reduction,
      Optional<Boolean> startToken,
      boolean special,
      int tokensAtOnce,
      long mostBytes) {
    public Config {
      slices = List.copyOf(new LinkedHashSet<>(slices));
      if (slices.isEmpty()) {
        throw new IllegalArgumentException("features need at least one site");
      }
      for (Slice slice : slices) {
        if (!slice.rows().isEmpty() || !slice.positions().equals(PositionSpan.ALL)) {
          throw new IllegalArgumentException(
              "%s: features are read of all rows; which tokens of them, the reduction says"
                  .formatted(slice));
        }
        if (slice.site().kind().pairwise()) {
          throw new IllegalArgumentException(
              "%s has a matrix a head, not a vector a token: choose another site".formatted(slice));
        }
      }
      if (tokensAtOnce < 1) {
        throw new IllegalArgumentException(
            "at least one token must be read at once, found " + tokensAtOnce);
      }
    }

    /// Means over content tokens, at most 2 GiB in memory.
    public static Config of(List<Slice> slices) {
      return new Config(slices, Reduction.MEAN, Optional.empty(), false, 2048, 2L << 30);
    }

    public Config with(Reduction reduction) {
      return new Config(slices, reduction, startToken, special, tokensAtOnce, mostBytes);
    }

    /// The same with or without a start token before each text.
    public Config startToken(boolean present) {
      return new Config(slices, reduction, Optional.of(present), special, tokensAtOnce, mostBytes);
    }

    /// The same with start and end tokens in the mean.
    public Config withSpecial() {
      return new Config(slices, reduction, startToken, true, tokensAtOnce, mostBytes);
    }

    public Config tokensAtOnce(int tokens) {
      return new Config(slices, reduction, startToken, special, tokens, mostBytes);
    }

    public Config within(long bytes) {
      return new Config(slices, reduction, startToken, special, tokensAtOnce, bytes);
    }
  }

  /// A text as the model reads it.
  ///
  /// @param number its place among the caller's texts
  /// @param read which of the tokens are read
  private record Row(int number, int[] ids, int[] read) {}

  /// Whole sites of a kind, one a layer.
  public static List<Slice> everyLayer(Transformer model, Kind kind) {
    return kind.layered()
        ? IntStream.range(0, model.layers()).mapToObj(layer -> Slice.of(kind, layer)).toList()
        : List.of(Slice.of(Site.of(kind)));
  }

  /// The places of the tokens that stand for text: all but those that a tokenizer puts around it.
  public static int[] content(Tokenizer tokenizer, Encoding tokens) {
    return IntStream.range(0, tokens.size())
        .filter(t -> tokens.end(t) > tokens.start(t) || !tokenizer.isSpecial(tokens.id(t)))
        .toArray();
  }

  /// Computes features and holds them in memory.
  ///
  /// @param progress is told how many texts more are done
  /// @throws IllegalArgumentException if the model has no such site, a text is too long for it or
  ///   has no token to read, or the result would not fit into memory
  public static Features of(
      Transformer model,
      Tokenizer tokenizer,
      List<Text> texts,
      Config config,
      IntConsumer progress) {
    var reader = new Reader(model, tokenizer, texts, config);
    reader.requireFits();
    return reader.inMemory(progress);
  }

  /// The same, kept in a file of a directory; read from there if it was computed before.
  ///
  /// @param directory made if it is not there
  /// @throws FathomException if the file cannot be written
  public static Features cached(
      Transformer model,
      Tokenizer tokenizer,
      List<Text> texts,
      Config config,
      Path directory,
      IntConsumer progress) {
    return new Reader(model, tokenizer, texts, config).inFile(directory, progress);
  }

  /// How many texts.
  public int size() {
    return size;
  }

  public List<Slice> slices() {
    return config.slices;
  }

  /// How they were read.
  public Config config() {
    return config;
  }

  /// The vectors at a slice in the order of the texts, F32 `[texts, width]`, in the current scope;
  /// several heads are joined. Any thread may ask.
  ///
  /// @throws IllegalArgumentException if the slice was not read
  public Tensor at(Slice slice) {
    Tensor rows = held.get(slice);
    if (rows == null) {
      throw new IllegalArgumentException(
          "%s was not read, only %s".formatted(slice, config.slices));
    }
    return rows.indexSelect(0, places);
  }

  /// The file they are kept in, if they are.
  public Optional<Path> file() {
    return file.map(SafetensorsFile::path);
  }

  /// Whether passes were made for them, rather than a file read.
  public boolean computed() {
    return computed;
  }

  /// Frees the memory, or unmaps the file, which stays.
  @Override
  public void close() {
    held.values().forEach(Tensor::free);
    held.clear();
    file.ifPresent(SafetensorsFile::close);
  }

  /// Numbers of a slice's vector on a model.
  public static long width(Transformer model, Slice slice) {
    Kind kind = slice.site().kind();
    int units = slice.units().size();
    return switch (kind) {
      case NORM_SCALE_ATTN, NORM_SCALE_MLP, NORM_SCALE_FINAL -> 1;
      case LOGITS -> model.outputs();
      case FINAL_NORM -> model.head().out().in();
      case Q, K, V, Q_ROT, K_ROT, Z, HEAD_OUT, SCORES, PATTERN -> {
        var attention = model.blocks().get(slice.site().layer()).attention();
        boolean keys = kind == Kind.K || kind == Kind.V || kind == Kind.K_ROT;
        int all = keys ? attention.kvHeads() : attention.heads();
        long each = kind == Kind.HEAD_OUT ? model.dModel() : attention.width();
        yield (units == 0 ? all : units) * each;
      }
      case MLP_GATE, MLP_UP, MLP_ACT ->
          units > 0 ? units : model.blocks().get(slice.site().layer()).mlp().out().in();
      case EMBED,
          POS_EMBED,
          TOKEN_TYPE_EMBED,
          EMBED_NORM,
          RESID_PRE,
          ATTN_IN,
          ATTN_RAW,
          ATTN_OUT,
          RESID_MID,
          MLP_IN,
          MLP_RAW,
          MLP_OUT,
          RESID_POST ->
          model.dModel();
    };
  }

  /// Where the rows of a batch go.
  private interface Target {
    /// @param values F32 `[rows, width]`, contiguous
    /// @param first the number of the first of them in the order of computation
    void put(Slice slice, int first, Tensor values);
  }

  /// Reads texts with a model.
  private static final class Reader {
    private final Transformer model;
    private final Config config;
    private final List<Row> rows; // in the order of computation
    private final List<PackedRows> packs;
    private final Set<Site> sites;

    Reader(Transformer model, Tokenizer tokenizer, List<Text> texts, Config config) {
      this.model = model;
      this.config = config;
      if (texts.isEmpty()) {
        throw new IllegalArgumentException("features need at least one text");
      }
      this.sites = config.slices.stream().map(Slice::site).collect(Collectors.toSet());
      for (Site site : sites) {
        model
            .refusal(site)
            .ifPresent(reason -> {
              throw new IllegalArgumentException(
                  "site %s does not exist on this %s model: %s"
                      .formatted(site, model.card().family(), reason));
            });
      }
      List<Row> given =
          IntStream.range(0, texts.size()).mapToObj(t -> row(tokenizer, texts.get(t), t)).toList();
      this.packs =
          PackedRows.of(
              given.stream().map(Row::ids).toList(), config.tokensAtOnce, model.card().causal());
      this.rows = packs.stream().flatMap(pack -> pack.rows().stream()).map(given::get).toList();
    }

    private Row row(Tokenizer tokenizer, Text text, int number) {
      var options =
          new Prompt.Options(false, Optional.empty(), config.startToken, model.card().causal());
      Prompt prompt = Prompt.of(tokenizer, text.text, options);
      if (prompt.length() > model.card().context()) {
        throw new IllegalArgumentException(
            "text %d ('%s') has %d tokens, but this model reads at most %d: shorten it"
                .formatted(number + 1, cut(text), prompt.length(), model.card().context()));
      }
      Encoding tokens = prompt.tokens();
      int[] content = content(tokenizer, tokens);
      int[] read =
          switch (config.reduction) {
            case MEAN -> config.special ? IntStream.range(0, tokens.size()).toArray() : content;
            case LAST ->
                Arrays.copyOfRange(content, Math.max(0, content.length - 1), content.length);
            case WORD -> tokens.tokensIn(text.from, text.to);
          };
      if (read.length == 0) {
        throw new IllegalArgumentException(
            "text %d ('%s') has no token to read".formatted(number + 1, cut(text)));
      }
      return new Row(number, prompt.ids(), read);
    }

    private static String cut(Text text) {
      return text.text.length() > 40 ? text.text.substring(0, 40) + "…" : text.text;
    }

    void requireFits() {
      long bytes =
          config.slices.stream()
              .mapToLong(slice -> Math.multiplyExact(4L * rows.size(), width(model, slice)))
              .sum();
      if (bytes > config.mostBytes) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "the features of %d texts at %d sites take %.1f MiB, more than the %.1f MiB that"
                    + " may be held in memory: keep them in a cache directory, or ask for fewer"
                    + " layers or texts",
                rows.size(),
                config.slices.size(),
                bytes / 1048576.0,
                config.mostBytes / 1048576.0));
      }
    }

    Features inMemory(IntConsumer progress) {
      var held = new LinkedHashMap<Slice, Tensor>();
      try (var scope = Scope.withoutGradients()) {
        for (Slice slice : config.slices) {
          held.put(slice, Tensor.empty(DType.F32, rows.size(), width(model, slice)).keep());
        }
        run(
            (slice, first, values) ->
                Objects.requireNonNull(held.get(slice))
                    .narrow(0, first, values.size(0))
                    .copyInPlace(values),
            progress);
        return features(held, Optional.empty(), true);
      } catch (RuntimeException | Error e) {
        held.values().forEach(Tensor::free);
        throw e;
      }
    }

    private Features features(
        Map<Slice, Tensor> held, Optional<SafetensorsFile> file, boolean computed) {
      long[] places = new long[rows.size()];
      for (int r = 0; r < places.length; r++) {
        places[rows.get(r).number] = r;
      }
      return new Features(rows.size(), config, places, held, file, computed);
    }

    // -------------------------------------------------------------- the file

    Features inFile(Path directory, IntConsumer progress) {
      boolean[] computed = {false};
      SafetensorsFile file =
          KeptFile.of(
              directory,
              "features",
              decides(),
              specs(),
              writer -> {
                computed[0] = true;
                write(writer, progress);
              });
      if (!computed[0]) {
        progress.accept(rows.size());
      }
      try (var scope = Scope.withoutGradients()) {
        var held = new LinkedHashMap<Slice, Tensor>();
        for (Slice slice : config.slices) {
          long width = width(model, slice);
          MemorySegment bytes = file.bytes(slice.toString());
          held.put(slice, Tensor.borrow(bytes, DType.F32, rows.size(), width).keep());
        }
        return features(held, Optional.of(file), computed[0]);
      } catch (RuntimeException | Error e) {
        file.close();
        throw e;
      }
    }

    /// Everything that decides the numbers.
    private String decides() {
      return Stream.of(
              Stream.of(model.card().sha256().get(), model.card().dtype().name()),
              config.slices.stream().map(Slice::toString),
              rows.stream()
                  .map(row ->
                      "%d %s %s"
                          .formatted(
                              row.number, Arrays.toString(row.ids), Arrays.toString(row.read))))
          .flatMap(part -> part)
          .collect(Collectors.joining("\n"));
    }

    private List<TensorSpec> specs() {
      var specs = new ArrayList<TensorSpec>();
      specs.add(TensorSpec.of(ORDER, TensorType.I64, rows.size()));
      for (Slice slice : config.slices) {
        specs.add(
            TensorSpec.of(slice.toString(), TensorType.F32, rows.size(), width(model, slice)));
      }
      return specs;
    }

    private void write(WeightWriter writer, IntConsumer progress) {
      long[] order = rows.stream().mapToLong(Row::number).toArray();
      try (var scope = Scope.withoutGradients()) {
        writer.append(ORDER, Tensor.of(order, order.length).memory());
      }
      run((slice, _, values) -> writer.append(slice.toString(), values.memory()), progress);
    }

    // -------------------------------------------------------------- passes

    private void run(Target target, IntConsumer progress) {
      int first = 0;
      for (PackedRows pack : packs) {
        int count = pack.rows().size();
        pass(pack, rows.subList(first, first + count), first, target);
        progress.accept(count);
        first += count;
      }
    }

    private void pass(PackedRows pack, List<Row> batch, int first, Target target) {
      try (var scope = Scope.withoutGradients()) {
        var reduced = new Reduced(pack, batch);
        boolean logits = sites.contains(Site.of(Kind.LOGITS));
        Pass pass =
            pack.pass()
                .with(logits ? Wanted.ALL : Wanted.ALL.columns(0)) // the head's vocabulary is large
                .with(
                    Taps.capture(
                        sites,
                        (site, value, _) -> {
                          for (Slice slice : config.slices) {
                            if (slice.site().equals(site)) {
                              target.put(slice, first, reduced.of(slice, value));
                            }
                          }
                        }));
        Tensor input = pack.ids();
        int last = lastBlock();
        if (last == model.layers()) {
          model.forward(input, pass);
          return;
        }
        Tensor _ = model.streamAfter(last + 1, input, pass);
      }
    }

    /// The last block that has to be computed, `layers` if the head has to be too.
    private int lastBlock() {
      return sites.stream()
          .mapToInt(site ->
              switch (site.kind()) {
                case FINAL_NORM, NORM_SCALE_FINAL, LOGITS -> model.layers();
                default -> site.layer();
              })
          .max()
          .orElseThrow();
    }
  }

  /// Means over the tokens that are read, for the rows of one batch.
  private static final class Reduced {
    private final long[] tokens;
    private final Tensor owners; // [tokens read]: the row of each
    private final Tensor counts; // [rows, 1]

    Reduced(PackedRows pack, List<Row> batch) {
      this.tokens =
          IntStream.range(0, batch.size())
              .flatMap(r -> {
                int number = pack.rows().get(r);
                return Arrays.stream(batch.get(r).read).map(t -> pack.place(number, t));
              })
              .asLongStream()
              .toArray();
      long[] rows =
          IntStream.range(0, batch.size())
              .flatMap(r -> Arrays.stream(batch.get(r).read).map(_ -> r))
              .asLongStream()
              .toArray();
      this.owners = Tensor.of(rows, rows.length);
      float[] sizes = new float[batch.size()];
      for (int r = 0; r < sizes.length; r++) {
        sizes[r] = batch.get(r).read.length;
      }
      this.counts = Tensor.of(sizes, sizes.length, 1);
    }

    /// `value [tokens, …] -> [rows, width]`, F32.
    Tensor of(Slice slice, Tensor value) {
      Tensor part = value.indexSelect(0, tokens);
      if (!slice.units().isEmpty()) {
        part = part.indexSelect(1, slice.units().stream().mapToLong(Integer::longValue).toArray());
      }
      Tensor each = (part.dim() > 2 ? part.flatten(1, -1) : part).wide();
      if (tokens.length == counts.size(0)) { // one of each row
        return each.to(DType.F32).contiguous();
      }
      return Tensor.zeros(each.dtype(), counts.size(0), each.size(1))
          .indexAdd(0, owners, each)
          .div(counts)
          .to(DType.F32)
          .contiguous();
    }
  }
}
