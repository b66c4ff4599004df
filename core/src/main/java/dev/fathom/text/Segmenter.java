package dev.fathom.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.PriorityQueue;

/// Cuts a normalised text into SentencePiece pieces.
sealed interface Segmenter {

  /// Cuts all of `text`; what no piece covers is reported with the unknown id, character by
  /// character.
  void segment(String text, Sink sink);

  /// Receives the pieces in order; `text.substring(start, end)` is the piece.
  interface Sink {
    void piece(int id, int start, int end);
  }

  static Segmenter of(SentencePieceModel model, PieceTrie userDefined) {
    PieceTrie trie = new PieceTrie();
    for (int id = 0; id < model.pieces().size(); id++) {
      switch (model.types()[id]) {
        case Vocabulary.NORMAL, Vocabulary.USER_DEFINED, Vocabulary.UNUSED ->
            trie.put(model.pieces().get(id), id);
        default -> {}
      }
    }
    return switch (model.kind()) {
      case BPE -> new Bpe(model, trie, userDefined, model.unk());
      case UNIGRAM -> Unigram.of(model, trie);
    };
  }

  /// Byte-pair encoding on scores: of all neighbours that together make a piece, the pair with the
  /// highest score merges first, the leftmost of equals; until none is left. User-defined pieces
  /// never merge; a merged piece that is marked unused falls apart again.
  record Bpe(SentencePieceModel model, PieceTrie trie, PieceTrie userDefined, int unk)
      implements Segmenter {

    /// Symbols `left` and `right` together make piece `id`, as long as their length is `length`.
    private record Merge(int left, int right, int id, float score, int length)
        implements Comparable<Merge> {
      @Override
      public int compareTo(Merge other) {
        int byScore = Float.compare(other.score + 0f, score + 0f);
        return byScore != 0 ? byScore : Integer.compare(left, other.left);
      }
    }

    @Override
    public void segment(String text, Sink sink) {
      new Run(text).run(sink);
    }

    private final class Run {
      private final String text;
      private final int[] start; // of symbol i; also its name
      private final int[] end; // end <= start: merged away
      private final int[] previous;
      private final int[] next;
      private final boolean[] frozen;
      private final PriorityQueue<Merge> agenda = new PriorityQueue<>();
      private final Map<String, Integer> splits =
          new HashMap<>(); // unused piece -> where it fell apart
      private int count;

      Run(String text) {
        this.text = text;
        int most = text.length();
        start = new int[most];
        end = new int[most];
        previous = new int[most];
        next = new int[most];
        frozen = new boolean[most];
      }

      void run(Sink sink) {
        for (int at = 0; at < text.length(); at = end[count - 1]) {
          int piece = userDefined.isEmpty() ? at : userDefined.longest(text, at, text.length());
          frozen[count] = piece > at;
          start[count] = at;
          end[count] = piece > at ? piece : at + Character.charCount(text.codePointAt(at));
          previous[count] = count - 1;
          next[count] = end[count] == text.length() ? -1 : count + 1;
          count++;
        }
        for (int i = 1; i < count; i++) {
          consider(i - 1, i);
        }
        for (Merge merge; (merge = agenda.poll()) != null; ) {
          apply(merge);
        }
        for (int i = count == 0 ? -1 : 0; i != -1; i = next[i]) {
          report(start[i], end[i], sink);
        }
      }

      private void consider(int left, int right) {
        if (left < 0 || right < 0 || frozen[left] || frozen[right]) {
          return;
        }
        int id = trie.find(text, start[left], end[right]);
        if (id != PieceTrie.NONE) {
          int length = end[right] - start[left];
          agenda.add(new Merge(left, right, id, model.scores()[id], length));
          if (model.types()[id] == Vocabulary.UNUSED) {
            splits.put(text.substring(start[left], end[right]), end[left] - start[left]);
          }
        }
      }

      private void apply(Merge merge) {
        int left = merge.left;
        int right = merge.right;
        boolean gone = end[left] <= start[left] || end[right] <= start[right];
        if (gone || end[left] - start[left] + end[right] - start[right] != merge.length) {
          return;
        }
        end[left] = end[right];
        next[left] = next[right];
        if (next[right] >= 0) {
          previous[next[right]] = left;
        }
        end[right] = start[right];
        consider(previous[left], left);
        consider(left, next[left]);
      }

      private void report(int from, int to, Sink sink) {
        int id = trie.find(text, from, to);
        boolean unused = id != PieceTrie.NONE && model.types()[id] == Vocabulary.UNUSED;
        Integer split = unused ? splits.get(text.substring(from, to)) : null;
        if (split != null) {
          report(from, from + split, sink);
          report(from + split, to, sink);
        } else {
          sink.piece(id == PieceTrie.NONE ? unk : id, from, to);
        }
      }
    }
  }

  /// The most probable cut under a unigram model (Kudo 2018, section 3.2), found by Viterbi's
  /// algorithm from left to right. Characters that no piece covers cost 10 more than the rarest
  /// piece; user-defined pieces get a bonus that always wins. Sums are kept in floats and compared
  /// in doubles like the reference's, so that near-ties fall the same way.
  ///
  /// @param cost by id: the score a piece adds
  @SuppressWarnings("ArrayRecordComponent")
  record Unigram(PieceTrie trie, double[] cost, boolean[] unused, int unk, float unkCost)
      implements Segmenter {
    private static final float UNKNOWN_PENALTY = 10;

    static Unigram of(SentencePieceModel model, PieceTrie trie) {
      float lowest = Float.MAX_VALUE;
      float highest =
          Float.MIN_NORMAL; // the reference starts there, so negative scores never count
      int size = model.pieces().size();
      for (int id = 0; id < size; id++) {
        if (model.types()[id] == Vocabulary.NORMAL) {
          lowest = Math.min(lowest, model.scores()[id]);
          highest = Math.max(highest, model.scores()[id]);
        }
      }
      double[] cost = new double[size];
      boolean[] unused = new boolean[size];
      for (int id = 0; id < size; id++) {
        cost[id] = model.scores()[id];
        unused[id] = model.types()[id] == Vocabulary.UNUSED;
        if (model.types()[id] == Vocabulary.USER_DEFINED) {
          int bytes = model.pieces().get(id).getBytes(StandardCharsets.UTF_8).length;
          cost[id] = bytes * highest - 0.1;
        }
      }
      return new Unigram(trie, cost, unused, model.unk(), lowest - UNKNOWN_PENALTY);
    }

    @Override
    public void segment(String text, Sink sink) {
      int size = text.length();
      float[] best = new float[size + 1]; // score of the best cut of text[0, i)
      int[] from = new int[size + 1]; // where its last piece begins
      int[] id = new int[size + 1];
      Arrays.fill(from, -1);
      for (int start = 0; start < size; ) {
        int oneCharacter = Character.charCount(text.codePointAt(start));
        boolean covered = false;
        int node = PieceTrie.ROOT;
        for (int end = start; end < size; ) {
          node = trie.step(node, text.charAt(end++));
          if (node == PieceTrie.NONE) {
            break;
          }
          int piece = trie.idAt(node);
          if (piece != PieceTrie.NONE && !unused[piece]) {
            offer(best, from, id, start, end, piece, cost[piece] + best[start]);
            covered |= end - start == oneCharacter;
          }
        }
        if (!covered) {
          offer(best, from, id, start, start + oneCharacter, unk, unkCost + best[start]);
        }
        start += oneCharacter;
      }
      report(size, from, id, sink);
    }

    private static void offer(
        float[] best, int[] from, int[] id, int start, int end, int piece, double candidate) {
      if (from[end] < 0 || candidate > best[end]) {
        best[end] = (float) candidate;
        from[end] = start;
        id[end] = piece;
      }
    }

    private static void report(int size, int[] from, int[] id, Sink sink) {
      int[] ends = new int[size];
      int count = 0;
      for (int end = size; end > 0; end = from[end]) {
        ends[count++] = end;
      }
      while (count > 0) {
        int end = ends[--count];
        sink.piece(id[end], from[end], end);
      }
    }
  }
}
