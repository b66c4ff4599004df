package dev.fathom.model;

import dev.fathom.model.Generation.Stop;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Lets a model continue texts.
///
/// ```java
/// var generator = Generator.of(model, tokenizer);
/// Generation next = generator.run(promptIds, Decoding.greedy(64).stopAt(Set.of(eos)));
/// String text = next.text();
/// ```
///
/// Rows that are generated together do not change each other. A tap ([#with(Tap)]) sees everything
/// that is computed, prompt first, then token by token, each at its true position: what it sees and
/// does is the same as in one pass over the finished text.
public final class Generator {
  /// Common tokens of prompts that are read once; for fewer a pass of their own is no gain.
  private static final int FEWEST_SHARED = 12;

  private final LanguageModel model;
  private final @Nullable Tokenizer tokenizer;
  private final Tap tap;

  /// Is told text as it becomes certain: whole characters, and nothing that will be cut off.
  @FunctionalInterface
  public interface Listener {
    Listener NONE = (_, _) -> {};

    /// @param row index of the prompt
    /// @param text what comes next in that row's text, not empty
    void text(int row, String text);
  }

  private Generator(LanguageModel model, @Nullable Tokenizer tokenizer, Tap tap) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.tap = tap;
  }

  /// One that knows tokens only.
  public static Generator of(LanguageModel model) {
    return new Generator(model, null, Tap.NONE);
  }

  /// One that makes text of the tokens.
  public static Generator of(LanguageModel model, Tokenizer tokenizer) {
    return new Generator(model, tokenizer, Tap.NONE);
  }

  /// The same, watched or changed.
  public Generator with(Tap tap) {
    return new Generator(model, tokenizer, tap);
  }

  /// Continues one prompt.
  public Generation run(int[] prompt, Decoding decoding) {
    return run(List.of(prompt), decoding, Listener.NONE).getFirst();
  }

  /// Continues prompts of any lengths together.
  ///
  /// @return one for each prompt, in their order
  /// @throws IllegalArgumentException if the model does not predict next tokens, a prompt is empty
  ///   or longer than the context, or stop texts are given without a tokenizer
  public List<Generation> run(List<int[]> prompts, Decoding decoding, Listener listener) {
    var rows = new ArrayList<Row>();
    for (int i = 0; i < prompts.size(); i++) {
      rows.add(new Row(i, prompts.get(i), decoding, listener));
    }
    if (decoding.beams() > 1) {
      rows.forEach(row -> searchBeams(row, decoding));
    } else {
      // neighbours of one length are computed together
      var open = new ArrayList<>(rows.stream().filter(row -> row.stop == null).toList());
      open.sort(Comparator.comparingInt(row -> row.prompt.length));
      if (!open.isEmpty()) {
        start(open, decoding);
      }
    }
    return rows.stream().map(Row::result).toList();
  }

  private void start(List<Row> open, Decoding decoding) {
    int shared = shared(open);
    try (var session = model.session(shared > 0 ? 1 : open.size(), tap)) {
      if (shared > 0) {
        try (var scope = Scope.withoutGradients()) {
          session.append(List.of(Arrays.copyOf(open.getFirst().prompt, shared)));
        }
        session.select(new int[open.size()]);
      }
      List<int[]> rest =
          open.stream()
              .map(row -> Arrays.copyOfRange(row.prompt, shared, row.prompt.length))
              .toList();
      step(session, open, rest, decoding);
    }
  }

  /// How many tokens all prompts begin with that are worth reading once for all; each keeps one of
  /// its own. With a tap none: it is to see every token of every row.
  private int shared(List<Row> open) {
    int[] first = open.getFirst().prompt; // the shortest
    int shared = open.size() == 1 || tap != Tap.NONE ? 0 : first.length - 1;
    for (Row row : open) {
      int differs = Arrays.mismatch(first, 0, shared, row.prompt, 0, shared);
      shared = differs < 0 ? shared : differs;
    }
    return shared < FEWEST_SHARED ? 0 : shared;
  }

  /// Continues a prompt in a session of one row, of which it reads only what the session does not
  /// hold already: the next turn of a conversation.
  public Generation run(
      LanguageModel.Session session, int[] prompt, Decoding decoding, Listener listener) {
    if (decoding.beams() > 1) {
      throw new IllegalArgumentException("beam search cannot go on in a session that is kept");
    }
    var row = new Row(0, prompt, decoding, listener);
    if (row.stop == null) {
      int known = Arrays.mismatch(session.tokens(0), prompt);
      int kept = Math.min(known < 0 ? prompt.length : known, prompt.length - 1);
      session.truncate(0, kept);
      int[] rest = Arrays.copyOfRange(prompt, kept, prompt.length);
      step(session, new ArrayList<>(List.of(row)), List.of(rest), decoding);
    }
    return row.result();
  }

  /// Reads what is next of each row and chooses a token for it, until all have stopped.
  private void step(
      LanguageModel.Session session, List<Row> open, List<int[]> next, Decoding decoding) {
    while (true) {
      int[] chosen;
      try (var scope = Scope.withoutGradients()) {
        chosen = choose(session.append(next), open, decoding.sampling());
      }
      for (int i = 0; i < chosen.length; i++) {
        open.get(i).accept(chosen[i]);
      }
      int[] left =
          IntStream.range(0, chosen.length).filter(i -> open.get(i).stop == null).toArray();
      if (left.length == 0) {
        return;
      }
      if (left.length < chosen.length) {
        session.select(left);
        open.removeIf(row -> row.stop != null);
      }
      next = Arrays.stream(left).mapToObj(i -> new int[] {chosen[i]}).toList();
    }
  }

  private static int[] choose(Tensor logits, List<Row> open, Sampling sampling) {
    if (sampling.plain()) {
      return Arrays.stream(logits.argmax(-1).toLongs()).mapToInt(Math::toIntExact).toArray();
    }
    float[] all = logits.toFloats();
    int columns = all.length / open.size();
    int[] chosen = new int[open.size()];
    for (int i = 0; i < chosen.length; i++) {
      Row row = open.get(i);
      float[] own = Arrays.copyOfRange(all, i * columns, (i + 1) * columns);
      chosen[i] = sampling.choose(own, row.seen, row.random);
    }
    return chosen;
  }

  private void searchBeams(Row row, Decoding decoding) {
    if (row.stop != null) {
      return;
    }
    var best =
        new BeamSearch(model, tap, decoding, tokens -> stop(row.prompt, tokens, decoding))
            .run(row.prompt);
    for (int id : best) {
      row.accept(id);
    }
  }

  /// Whether and why a text ends with the last of these tokens.
  private @Nullable Stop stop(int[] prompt, int[] tokens, Decoding decoding) {
    if (decoding.stopTexts().isEmpty() || tokenizer == null) {
      return stop(prompt.length, tokens.length, tokens[tokens.length - 1], false, decoding);
    }
    var stream = new TextStream(tokenizer, prompt, decoding);
    for (int id : tokens) {
      stream.accept(id);
    }
    return stop(
        prompt.length, tokens.length, tokens[tokens.length - 1], stream.stopped(), decoding);
  }

  private @Nullable Stop stop(
      int prompt, int generated, int last, boolean stopText, Decoding decoding) {
    if (decoding.stopIds().contains(last)) {
      return Stop.STOP_TOKEN;
    }
    if (stopText) {
      return Stop.STOP_TEXT;
    }
    if (generated >= decoding.maxTokens()) {
      return Stop.MAX_TOKENS;
    }
    return prompt + generated >= model.card().context() ? Stop.CONTEXT : null;
  }

  /// A text in the making.
  private final class Row {
    private final int index;
    private final int[] prompt;
    private final Decoding decoding;
    private final Listener listener;
    private final RandomGenerator random;
    private final Set<Integer> seen = new HashSet<>();
    private final List<Integer> tokens = new ArrayList<>();
    private final @Nullable TextStream stream;
    private @Nullable Stop stop;

    Row(int index, int[] prompt, Decoding decoding, Listener listener) {
      int context = model.card().context();
      if (prompt.length == 0) {
        throw new IllegalArgumentException(
            "prompt %d is empty: a model needs at least one token to go on from".formatted(index));
      }
      if (prompt.length > context) {
        throw new IllegalArgumentException(
            "prompt %d has %d tokens, but this model reads at most %d: shorten it"
                .formatted(index, prompt.length, context));
      }
      if (tokenizer == null && !decoding.stopTexts().isEmpty()) {
        throw new IllegalArgumentException("stop texts need a tokenizer, and there is none");
      }
      this.index = index;
      this.prompt = prompt.clone();
      this.decoding = decoding;
      this.listener = listener;
      this.random = new SplittableRandom(decoding.sampling().seed() + index).split();
      this.stream = tokenizer == null ? null : new TextStream(tokenizer, prompt, decoding);
      this.stop = prompt.length == context ? Stop.CONTEXT : null;
      Arrays.stream(prompt).forEach(seen::add);
    }

    void accept(int id) {
      tokens.add(id);
      seen.add(id);
      boolean silent = decoding.stopIds().contains(id);
      if (stream != null && !silent) {
        tell(stream.accept(id));
      }
      boolean stopText = stream != null && stream.stopped();
      stop = stop(prompt.length, tokens.size(), id, stopText, decoding);
      if (stop != null && stream != null) {
        tell(stream.end());
      }
    }

    private void tell(String text) {
      if (!text.isEmpty()) {
        listener.text(index, text);
      }
    }

    Generation result() {
      if (stop == null) {
        throw new IllegalStateException("row " + index + " has not stopped");
      }
      return new Generation(
          Arrays.stream(prompt).boxed().toList(),
          tokens,
          stream == null ? "" : stream.text(),
          stop);
    }
  }
}
