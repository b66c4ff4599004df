package dev.fathom.explain.causal;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.explain.Runs;
import dev.fathom.model.Attention;
import dev.fathom.model.Block;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Norm;
import dev.fathom.model.PostNormBlock;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.function.LongConsumer;

/// By which route does a head act? The sender, a head, is given its corrupt output, but only the
/// receivers notice: what it adds reaches their input straight through the stream, every block
/// between is frozen at the clean run. The receivers then act on, and the cell is what the answer
/// loses (Wang et al. 2022, section 3.1; Goldowsky-Dill et al. 2023):
///
/// `effect = metric(clean) − metric(sender → receivers corrupt)`
///
/// and for [Metric#KL], which is 0 on the clean run, the divergence itself.
///
/// With the logits as receiver it is the sender's direct effect.
///
/// It misleads where a route through other blocks carries the same: this one then looks unneeded.
/// Encoders with norms after the sum have no stream to which a sender only adds, and are refused.
public final class PathPatching {
  private PathPatching() {}

  /// Where a route ends.
  public sealed interface Receiver {
    /// The last stream at the position that is read.
    record Logits() implements Receiver {}

    /// What a head asks for, offers or holds, at all positions.
    ///
    /// @param input the head's queries, keys or values
    /// @param head a query head; its keys and values may serve others of its group too
    record Head(Input input, int layer, int head) implements Receiver {}

    /// What the MLP of a block reads, at all positions.
    record Mlp(int layer) implements Receiver {}
  }

  /// One of the three inputs of a head.
  public enum Input {
    QUERY,
    KEY,
    VALUE
  }

  /// @param question about the clean prompt
  /// @param receivers all of them notice at once; either the logits alone, or heads and MLPs
  /// @param budget memory that changed runs may take at a time, in bytes
  /// @throws IllegalArgumentException if the prompts cannot be compared, or the model has no stream
  ///   that senders add to
  public static PathPatchingResult run(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      Prompt corrupt,
      List<Receiver> receivers,
      long budget,
      LongConsumer progress) {
    long start = System.nanoTime();
    requireStream(model);
    requireReceivers(model, receivers);
    var names = new Names(model, tokenizer);
    int[] clean = question.ids(model);
    int[] other = Patching.requireComparable(names, question, corrupt, clean);
    int heads = model.blocks().getFirst().attention().heads();
    float[] effect = new float[model.layers() * heads];
    double before;
    try (var scope = Scope.withoutGradients()) {
      Runs runs = Runs.of(model, List.of(clean, other), Tap.NONE, Kind.Z, Kind.ATTN_OUT);
      int position = question.position();
      var readout = new Readout(model, question, runs.last(0, position));
      before = readout.clean();
      var sweep = new Sweep(model, runs, position).within(budget).telling(progress);
      for (int layer = 0; layer < model.layers(); ) {
        try (var some = Scope.withoutGradients()) {
          var rows = new ArrayList<Sweep.Row>();
          var senders = new ArrayList<Integer>();
          var direct = new ArrayList<Tensor>();
          long held = 0;
          for (; layer < model.layers() && held < budget; layer++) {
            try (var inner = Scope.open()) {
              Tensor added = added(model, runs, layer); // [heads, length, dModel]
              for (int head = 0; head < heads; head++) {
                Tensor delta = added.select(0, head);
                int sender = layer * heads + head;
                if (receivers.getFirst() instanceof Receiver.Logits) {
                  senders.add(sender);
                  Tensor last = delta.narrow(0, position, 1);
                  direct.add(some.keep(runs.last(0, position).add(last)));
                } else {
                  List<Intervention> heard = heard(model, runs, receivers, layer, delta, some);
                  held += bytes(heard);
                  if (!heard.isEmpty()) {
                    senders.add(sender);
                    rows.add(new Sweep.Row(0, firstLayer(heard), 0, heard));
                  }
                }
              }
            }
          }
          if (!senders.isEmpty()) {
            double[] values =
                readout.values(direct.isEmpty() ? sweep.run(rows) : Tensor.cat(direct, 0));
            for (int i = 0; i < values.length; i++) {
              effect[senders.get(i)] = (float) question.metric().effect(before, values[i]);
            }
          }
        }
      }
    }
    String described = described(receivers);
    return new PathPatchingResult(
        Provenances.of(
            model,
            question.prompt(),
            names.tokens(question.prompt()),
            (System.nanoTime() - start) / 1e9,
            "corrupt",
            corrupt.text(),
            "target",
            names.output(question.target()),
            "foil",
            question.foil().isPresent() ? names.output(question.foil().getAsInt()) : "none",
            "metric",
            question.metric().text(),
            "receivers",
            described),
        question.metric(),
        described,
        before,
        Grid.real(List.of(Axis.index("layer", model.layers()), Axis.index("head", heads)), effect));
  }

  /// What the stream would gain, had a block's heads their corrupt output one at a time, `[heads,
  /// length, dModel]`.
  private static Tensor added(Transformer model, Runs runs, int layer) {
    Block block = model.blocks().get(layer);
    Attention attention = block.attention();
    Tensor clean = runs.at(Kind.Z, layer, 0); // [length, heads, width]
    Tensor corrupt = runs.at(Kind.Z, layer, 1);
    int heads = attention.heads();
    int length = runs.length();
    try (var scope = Scope.open()) {
      var mixed = new ArrayList<Tensor>();
      for (int head = 0; head < heads; head++) {
        Tensor index = Tensor.of(new long[] {head}, 1);
        mixed.add(clean.indexCopy(1, index, corrupt.narrow(1, head, 1)));
      }
      Tensor z = Tensor.cat(mixed, 0).flatten(1, 2); // [heads · length, heads · width]
      Tensor out = contribution(block, attention.out().of(z)).view(heads, length, model.dModel());
      return scope.escape(out.sub(runs.at(Kind.ATTN_OUT, layer, 0).unsqueeze(0)));
    }
  }

  /// What a block adds to the stream of what its attention returns.
  private static Tensor contribution(Block block, Tensor raw) {
    Block.Steps steps = block.steps();
    Norm norm = steps.post1();
    Tensor normed = norm == null ? raw : norm.of(raw);
    return steps.multiplier() == 1 ? normed : normed.mul(steps.multiplier());
  }

  /// What the receivers hear of a sender, as changes of the clean run. Heads that share their keys
  /// and values hear them once.
  ///
  /// @param home the scope of what is heard; everything else goes
  private static List<Intervention> heard(
      Transformer model,
      Runs runs,
      List<Receiver> receivers,
      int sender,
      Tensor delta,
      Scope home) {
    var heard = new LinkedHashMap<Slice, Intervention>();
    var read = new HashMap<Integer, Attention.Qkv>(); // by layer
    try (var inner = Scope.open()) {
      for (Receiver receiver : receivers) {
        switch (receiver) {
          case Receiver.Logits() -> throw new AssertionError("the logits are read directly");
          case Receiver.Head(Input input, int layer, int head) -> {
            Slice slice = slice(model, input, layer, head);
            if (layer > sender && !heard.containsKey(slice)) {
              Attention.Qkv qkv = read.computeIfAbsent(layer, _ -> read(model, runs, layer, delta));
              Tensor values =
                  switch (input) {
                    case QUERY -> qkv.q();
                    case KEY -> qkv.k();
                    case VALUE -> qkv.v();
                  };
              Tensor own = values.narrow(1, slice.units().getFirst(), 1).copy();
              heard.put(slice, new Intervention.Replace(slice, home.keep(own)));
            }
          }
          case Receiver.Mlp(int layer) -> {
            Block block = model.blocks().get(layer);
            boolean own = layer == sender && !block.steps().parallel();
            if (layer > sender || own) {
              Slice slice = Slice.of(Kind.MLP_IN, layer);
              Tensor value = home.keep(mlp(runs, block, layer, delta));
              heard.put(slice, new Intervention.Replace(slice, value));
            }
          }
        }
      }
    }
    return List.copyOf(heard.values());
  }

  private static long bytes(List<Intervention> heard) {
    long bytes = 0;
    for (Intervention each : heard) {
      if (each instanceof Intervention.Replace(_, Tensor value)) {
        bytes += value.elements() * value.dtype().bytes();
      }
    }
    return bytes;
  }

  /// Where a head's input stands.
  private static Slice slice(Transformer model, Input input, int layer, int head) {
    Attention attention = model.blocks().get(layer).attention();
    int shared = head / (attention.heads() / attention.kvHeads());
    return switch (input) {
      case QUERY -> Slice.of(Kind.Q_ROT, layer).heads(head);
      case KEY -> Slice.of(Kind.K_ROT, layer).heads(shared);
      case VALUE -> Slice.of(Kind.V, layer).heads(shared);
    };
  }

  /// What the heads of a layer ask for, offer and hold when they hear a sender.
  private static Attention.Qkv read(Transformer model, Runs runs, int layer, Tensor delta) {
    Block block = model.blocks().get(layer);
    Tensor stream = runs.stream(layer).narrow(0, 0, runs.length()).add(delta);
    return block.attention().read(block.steps().attentionReads(stream), true);
  }

  /// What an MLP reads when it hears a sender, `[length, dModel]`.
  private static Tensor mlp(Runs runs, Block block, int layer, Tensor delta) {
    Tensor before = runs.stream(layer).narrow(0, 0, runs.length()).add(delta);
    Tensor between = before.add(runs.at(Kind.ATTN_OUT, layer, 0));
    return block.steps().mlpReads(before, between);
  }

  private static int firstLayer(List<Intervention> changes) {
    return changes.stream().mapToInt(change -> change.slice().site().layer()).min().orElseThrow();
  }

  /// Refuses models without a stream that senders add to.
  public static void requireStream(Transformer model) {
    if (model.blocks().stream().anyMatch(PostNormBlock.class::isInstance)) {
      throw new IllegalArgumentException(
          "%s normalises the stream after each sum, so no route through it is a plain sum: path patching needs a model with norms before its sublayers."
              .formatted(model.card().name()));
    }
  }

  private static void requireReceivers(Transformer model, List<Receiver> receivers) {
    if (receivers.isEmpty()) {
      throw new IllegalArgumentException("Path patching needs at least one receiver.");
    }
    boolean logits = receivers.stream().anyMatch(Receiver.Logits.class::isInstance);
    if (logits && receivers.size() > 1) {
      throw new IllegalArgumentException(
          "The logits are a receiver by themselves: ask for them alone.");
    }
    if (receivers.stream().distinct().count() < receivers.size()) {
      throw new IllegalArgumentException("A receiver is named twice.");
    }
    for (Receiver receiver : receivers) {
      int layer =
          switch (receiver) {
            case Receiver.Logits() -> 0;
            case Receiver.Head(_, int l, _) -> l;
            case Receiver.Mlp(int l) -> l;
          };
      if (layer < 0 || layer >= model.layers()) {
        throw new IllegalArgumentException(
            "There is no layer %d: this model has layers 0 to %d."
                .formatted(layer, model.layers() - 1));
      }
      int heads = model.blocks().get(layer).attention().heads();
      if (receiver instanceof Receiver.Head(_, _, int head) && (head < 0 || head >= heads)) {
        throw new IllegalArgumentException(
            "Layer %d has no head %d: it has heads 0 to %d.".formatted(layer, head, heads - 1));
      }
    }
  }

  private static String described(List<Receiver> receivers) {
    return String.join(
        ", ",
        receivers.stream()
            .map(receiver ->
                switch (receiver) {
                  case Receiver.Logits() -> "the logits";
                  case Receiver.Head(Input input, int layer, int head) ->
                      "%s.%d.h%d"
                          .formatted(
                              input.name().substring(0, 1).toLowerCase(Locale.ROOT), layer, head);
                  case Receiver.Mlp(int layer) -> "mlp_in." + layer;
                })
            .toList());
  }
}
