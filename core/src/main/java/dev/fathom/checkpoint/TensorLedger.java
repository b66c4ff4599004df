package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Accounts for the tensors of a checkpoint as a closed world: each is taken exactly once, or
/// declared to change nothing, and [#finish()] reports everything missing, unknown or of the wrong
/// shape at once.
///
/// ```java
/// var ledger = new TensorLedger(checkpoint.tensors(), "llama", "model.safetensors");
/// ledger.harmless(".*\\.rotary_emb\\.inv_freq");
/// String q = ledger.take("model.layers.0.self_attn.q_proj.weight", heads * width, d).name();
/// ledger.finish();                                 // before any tensor is read
/// ```
///
/// One thread only.
public final class TensorLedger {
  private final SequencedMap<String, TensorInfo> left;
  private final SequencedMap<String, List<Long>> wanted = new LinkedHashMap<>();
  private final Map<String, String> taken = new LinkedHashMap<>();
  private final String family;
  private final String source;
  private final List<UnaryOperator<String>> spellings = new ArrayList<>();
  private final List<Pattern> harmless = new ArrayList<>();
  private final List<String> missing = new ArrayList<>();
  private final List<String> wrong = new ArrayList<>();

  /// @param tensors all tensors of the checkpoint
  /// @param family the architecture's name, for messages
  /// @param source what holds them, for messages: `model.safetensors`
  public TensorLedger(SequencedMap<String, TensorInfo> tensors, String family, String source) {
    this.left = new LinkedHashMap<>(tensors);
    this.family = family;
    this.source = source;
  }

  /// Accepts names that lack this prefix: checkpoints of the bare model leave out `transformer.` or
  /// `bert.`.
  public TensorLedger optionalPrefix(String prefix) {
    spellings.add(name -> name.startsWith(prefix) ? name.substring(prefix.length()) : name);
    return this;
  }

  /// Accepts an older spelling of a part of names: `LayerNorm.weight` was once `LayerNorm.gamma`.
  public TensorLedger olderSpelling(String today, String older) {
    spellings.add(name -> name.replace(today, older));
    return this;
  }

  /// Declares tensors that change nothing, by a regular expression over the whole name: constants
  /// such as masks and inverse frequencies that older checkpoints carry along.
  public TensorLedger harmless(String regex) {
    harmless.add(Pattern.compile(regex));
    return this;
  }

  /// Takes the tensor called `name`, which must have this shape.
  ///
  /// @return the tensor as it stands in the checkpoint, whose name is the spelling used there; a
  ///   stand-in if it is missing, of which [#finish()] tells
  /// @throws IllegalStateException if it was taken before
  public TensorInfo take(String name, long... shape) {
    wanted.put(name, Arrays.stream(shape).boxed().toList());
    Optional<TensorInfo> found = remove(name);
    if (found.isEmpty()) {
      missing.add(name);
      return new TensorInfo(name, TensorType.F32, Arrays.stream(shape).boxed().toList(), 0, 0);
    }
    check(found.get(), shape);
    return found.get();
  }

  /// Takes a tensor that may be absent.
  public Optional<TensorInfo> takeIfPresent(String name, long... shape) {
    Optional<TensorInfo> found = remove(name);
    found.ifPresent(info -> check(info, shape));
    return found;
  }

  /// Whether a tensor of this name is there and not yet taken.
  public boolean has(String name) {
    return stored(name).isPresent();
  }

  /// The shape of a tensor that is there and not yet taken.
  public Optional<List<Long>> shape(String name) {
    return stored(name).map(left::get).map(TensorInfo::shape);
  }

  /// The shapes of all tensors that were taken because they must be there, in that order.
  public SequencedMap<String, List<Long>> wanted() {
    return new LinkedHashMap<>(wanted);
  }

  /// How each tensor that was taken is spelt in the checkpoint, by the name it was asked for.
  public Map<String, String> spellings() {
    return new LinkedHashMap<>(taken);
  }

  /// Ends the account.
  ///
  /// @throws FathomException naming every tensor that is missing, of the wrong shape or not
  ///   understood
  public void finish() {
    List<String> unknown =
        left.keySet().stream()
            .filter(name -> harmless.stream().noneMatch(p -> p.matcher(name).matches()))
            .toList();
    if (missing.isEmpty() && wrong.isEmpty() && unknown.isEmpty()) {
      return;
    }
    var message = new StringBuilder(source).append(": ");
    message.append(
        Stream.of(
                counted(missing.size(), "missing"),
                counted(wrong.size(), "of another shape"),
                counted(unknown.size(), "not understood"))
            .filter(part -> !part.isEmpty())
            .collect(Collectors.joining(", ")));
    message.append(" for architecture ").append(family);
    list(message, "missing", missing, List.of());
    list(message, "shape", wrong, List.of());
    List<String> expected = Stream.concat(missing.stream(), taken.keySet().stream()).toList();
    list(message, "unknown", unknown, expected);
    throw new FathomException(message.toString());
  }

  private static String counted(int count, String what) {
    return switch (count) {
      case 0 -> "";
      case 1 -> "1 tensor " + what;
      default -> count + " tensors " + what;
    };
  }

  /// A few names a line would drown in hundreds: at most 20 lines of a kind.
  private static void list(
      StringBuilder message, String kind, List<String> lines, List<String> candidates) {
    lines.stream()
        .limit(20)
        .forEach(line ->
            message
                .append("\n  ")
                .append(kind)
                .append(": ")
                .append(line)
                .append(candidates.isEmpty() ? "" : Suggestion.of(line, candidates)));
    if (lines.size() > 20) {
      message.append("\n  ").append(kind).append(": and %d more".formatted(lines.size() - 20));
    }
  }

  private Optional<TensorInfo> remove(String name) {
    String before = taken.get(name);
    if (before != null) {
      throw new IllegalStateException("tensor '%s' was taken twice".formatted(name));
    }
    Optional<String> key = stored(name);
    taken.put(name, key.orElse(name));
    return key.map(left::remove);
  }

  /// The name under which the tensor lies in the checkpoint: as asked, or in any mix of other
  /// spellings.
  private Optional<String> stored(String name) {
    if (left.containsKey(name)) {
      return Optional.of(name);
    }
    for (int mix = 1; mix < 1 << spellings.size(); mix++) {
      String spelt = name;
      for (int i = 0; i < spellings.size(); i++) {
        spelt = (mix >> i & 1) == 1 ? spellings.get(i).apply(spelt) : spelt;
      }
      if (left.containsKey(spelt)) {
        return Optional.of(spelt);
      }
    }
    return Optional.empty();
  }

  private void check(TensorInfo info, long... shape) {
    List<Long> expected = Arrays.stream(shape).boxed().toList();
    if (!info.shape().equals(expected)) {
      wrong.add("%s is %s, expected %s".formatted(info.name(), info.shape(), expected));
    }
  }
}
