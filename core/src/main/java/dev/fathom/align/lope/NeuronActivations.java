package dev.fathom.align.lope;

import dev.fathom.align.probe.Features;
import dev.fathom.data.Prompt;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;

/// How much some neurons fire on some texts: sums over the tokens that stand for text, each
/// activation with the sign that its neuron is counted with.
final class NeuronActivations {
  private static final int TOKENS_AT_ONCE = 2048;

  private final Transformer model;
  private final SequencedMap<Integer, List<Signed>> neurons; // by layer
  private final SequencedMap<Integer, Sums> sums;
  private int texts; // read so far
  private final long[] tokens; // of each text

  /// A neuron of a layer.
  ///
  /// @param sign −1 where what points along the direction is written by negative activations
  record Signed(int neuron, int sign) {}

  /// Sums of one layer.
  ///
  /// @param positives `[neuron]`: tokens for which the signed activation is positive
  /// @param sums `[neuron]` of signed activations
  /// @param textPositives `[text]` over neurons and tokens
  /// @param textSums `[text]` of signed activations over neurons and tokens
  @SuppressWarnings("ArrayRecordComponent") // filled where they are made
  record Sums(double[] positives, double[] sums, double[] textPositives, double[] textSums) {
    static Sums zeros(int neurons, int texts) {
      return new Sums(
          new double[neurons], new double[neurons], new double[texts], new double[texts]);
    }
  }

  /// A text as the model reads it.
  @SuppressWarnings("ArrayRecordComponent") // not copied: read only
  private record Row(int[] ids, int[] content) {}

  private NeuronActivations(
      Transformer model, SequencedMap<Integer, List<Signed>> neurons, int texts) {
    this.model = model;
    this.neurons = neurons;
    this.tokens = new long[texts];
    this.sums =
        neurons.entrySet().stream()
            .collect(
                Collectors.toMap(
                    entry -> entry.getKey(),
                    entry -> Sums.zeros(entry.getValue().size(), texts),
                    (a, _) -> a,
                    LinkedHashMap::new));
  }

  /// @param neurons by layer, at least one
  /// @param progress is told how many texts more are done
  /// @throws IllegalArgumentException if the model has no such activations, or a text is too long
  static NeuronActivations of(
      Transformer model,
      Tokenizer tokenizer,
      List<String> texts,
      SequencedMap<Integer, List<Signed>> neurons,
      Optional<Boolean> startToken,
      IntConsumer progress) {
    var options = new Prompt.Options(false, Optional.empty(), startToken, model.card().causal());
    List<Row> rows =
        texts.stream()
            .map(text -> {
              Prompt prompt =
                  Prompt.of(tokenizer, text, options).requireFits(model.card().context(), 0);
              return new Row(prompt.ids(), Features.content(tokenizer, prompt.tokens()));
            })
            .sorted(Comparator.comparingInt((Row row) -> row.ids.length).reversed())
            .toList();
    var run = new NeuronActivations(model, neurons, rows.size());
    while (run.texts < rows.size()) {
      int count = run.fitting(rows.subList(run.texts, rows.size()));
      run.read(rows.subList(run.texts, run.texts + count));
      progress.accept(count);
    }
    return run;
  }

  private int fitting(List<Row> rows) {
    int count = 1;
    int together = rows.getFirst().ids.length;
    while (count < rows.size() && together + rows.get(count).ids.length <= TOKENS_AT_ONCE) {
      together += rows.get(count++).ids.length;
    }
    return count;
  }

  private void read(List<Row> batch) {
    int[] ids = batch.stream().flatMapToInt(row -> Arrays.stream(row.ids)).toArray();
    var layout = Layout.rows(batch.stream().mapToInt(row -> row.ids.length).toArray());
    int[] offsets = layout.offsets();
    var places = new ArrayList<Long>();
    var owners = new ArrayList<Integer>();
    for (int r = 0; r < batch.size(); r++) {
      tokens[texts + r] = batch.get(r).content.length;
      for (int t : batch.get(r).content) {
        places.add((long) offsets[r] + t);
        owners.add(texts + r);
      }
    }
    long[] counted = places.stream().mapToLong(Long::longValue).toArray();
    var sites = neurons.keySet().stream().map(layer -> Site.of(Kind.MLP_ACT, layer));
    try (var scope = Scope.withoutGradients()) {
      Pass pass =
          Pass.over(layout)
              .with(
                  Taps.capture(
                      sites.collect(Collectors.toSet()),
                      (site, value, _) ->
                          add(site.layer(), value.indexSelect(0, counted), owners)));
      Tensor _ =
          model.streamAfter(neurons.lastEntry().getKey() + 1, Tensor.of(ids, ids.length), pass);
    }
    texts += batch.size();
  }

  /// @param values `[counted tokens, dMlp]`
  private void add(int layer, Tensor values, List<Integer> owners) {
    List<Signed> own = neurons.getOrDefault(layer, List.of());
    long[] columns = own.stream().mapToLong(Signed::neuron).toArray();
    double[] m = values.indexSelect(1, columns).to(DType.F64).toDoubles();
    Sums into = sums(layer);
    for (int t = 0; t < owners.size(); t++) {
      int text = owners.get(t);
      for (int n = 0; n < columns.length; n++) {
        double signed = own.get(n).sign * m[t * columns.length + n];
        into.sums[n] += signed;
        into.textSums[text] += signed;
        if (signed > 0) {
          into.positives[n]++;
          into.textPositives[text]++;
        }
      }
    }
  }

  /// The sums of a layer.
  Sums sums(int layer) {
    Sums own = sums.get(layer);
    if (own == null) {
      throw new IllegalArgumentException("no neuron of layer " + layer + " was read");
    }
    return own;
  }

  /// Tokens that were counted, of each text.
  long[] tokens() {
    return tokens.clone();
  }
}
