package dev.fathom.train;

import dev.fathom.Sha256;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// Cuts rows into batches, and batches into pieces of rows of like length.
final class Batches {
  private Batches() {}

  /// Neighbouring rows together, about `tokens` tokens each.
  static List<List<Row>> of(List<Row> rows, int tokens) {
    return cut(rows, (int) Math.max(1, Math.round((double) tokens(rows) / tokens)));
  }

  /// Neighbouring rows together, `each` of them, fewer in the last batch.
  static List<List<Row>> ofRows(List<Row> rows, int each) {
    var batches = new ArrayList<List<Row>>();
    for (int from = 0; from < rows.size(); from += each) {
      batches.add(rows.subList(from, Math.min(rows.size(), from + each)));
    }
    return batches;
  }

  /// A batch sorted by length, in `pieces` of about as many tokens; fewer if it has fewer rows.
  static List<List<Row>> pieces(List<Row> batch, int pieces) {
    return cut(batch.stream().sorted(Comparator.comparingInt(Row::length)).toList(), pieces);
  }

  private static List<List<Row>> cut(List<Row> rows, int parts) {
    var cut = new ArrayList<List<Row>>();
    long all = tokens(rows);
    long seen = 0;
    int from = 0;
    for (int r = 0; r < rows.size(); r++) {
      seen += rows.get(r).length();
      if (seen * parts >= all * (cut.size() + 1)) {
        cut.add(rows.subList(from, r + 1));
        from = r + 1;
      }
    }
    return cut;
  }

  static long tokens(List<Row> rows) {
    return rows.stream().mapToLong(Row::length).sum();
  }

  static long targets(List<Row> rows) {
    return rows.stream().mapToLong(Row::targets).sum();
  }

  /// The first 16 hexadecimal digits of the rows' SHA-256.
  static String digest(List<Row> rows) {
    MessageDigest digest = Sha256.begin();
    for (Row row : rows) {
      ByteBuffer bytes = ByteBuffer.allocate(4 * (row.length() + 2));
      bytes.putInt(row.length()).putInt(row.learnFrom());
      bytes.asIntBuffer().put(row.ids());
      digest.update(bytes.array());
    }
    return Sha256.hex(digest).substring(0, 16);
  }
}
