package dev.fathom.train;

import dev.fathom.model.Layout;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// Rows one after another, and where what counts stands among their tokens.
///
/// @param ids of all tokens
/// @param layout the rows
/// @param readers the packed index of the token before each one that counts
/// @param targets the tokens that count, as many
public record Packed(int[] ids, Layout layout, long[] readers, long[] targets) {
  public static Packed of(List<Row> rows) {
    long[] readers = new long[Math.toIntExact(Batches.targets(rows))];
    long[] targets = new long[readers.length];
    int n = 0;
    int start = 0;
    for (Row row : rows) {
      for (int i = row.learnFrom(); i < row.length(); i++) {
        readers[n] = start + i - 1L;
        targets[n++] = row.ids()[i];
      }
      start += row.length();
    }
    return new Packed(
        rows.stream().flatMapToInt(row -> IntStream.of(row.ids())).toArray(),
        Layout.rows(rows.stream().mapToInt(Row::length).toArray()),
        readers,
        targets);
  }

  /// The same with the targets in another order.
  public Packed ordered(int... order) {
    return new Packed(
        ids,
        layout,
        Arrays.stream(order).mapToLong(i -> readers[i]).toArray(),
        Arrays.stream(order).mapToLong(i -> targets[i]).toArray());
  }

  /// The ids as a tensor, I64 `[tokens]`.
  public Tensor tokens() {
    return Tensor.of(ids, ids.length);
  }

  /// The part of `x [tokens, …]` that predicts what counts, `[targets, …]`.
  public Tensor reading(Tensor x) {
    return x.indexSelect(0, readers);
  }

  /// The other way: zeros where nothing is predicted, `[targets, …] -> [tokens, …]`.
  public Tensor spread(Tensor gradient) {
    long[] shape = gradient.shape();
    shape[0] = ids.length;
    return Tensor.zeros(gradient.dtype(), shape)
        .indexCopy(0, Tensor.of(readers, readers.length), gradient);
  }

  /// Some of the targets, side by side.
  public record Chunk(int from, int length) {
    /// Their part of `x [targets, …]`.
    public Tensor of(Tensor x) {
      return x.narrow(0, from, length);
    }

    /// Their part of one number a target, I64 `[length]`.
    public Tensor of(long[] all) {
      return Tensor.of(Arrays.copyOfRange(all, from, from + length), length);
    }
  }

  /// The targets, so many at a time that logits over `outputs` columns have no more than `most`
  /// numbers, but at least 16.
  public List<Chunk> chunks(int outputs, long most) {
    return chunks(0, outputs, most);
  }

  /// The same, none of them across the target `border`.
  public List<Chunk> chunks(int border, int outputs, long most) {
    int each = (int) Math.max(16, most / outputs);
    var chunks = new ArrayList<Chunk>();
    int from = 0;
    while (from < targets.length) {
      int end = from < border ? border : targets.length;
      chunks.add(new Chunk(from, Math.min(each, end - from)));
      from += chunks.getLast().length();
    }
    return chunks;
  }
}
