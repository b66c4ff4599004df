package dev.fathom.text;

import dev.fathom.FathomException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// What a SentencePiece vocabulary says, from a tokenizer.model file or a GGUF file (which uses the
/// same piece types): the pieces and how text is normalised before they are looked for.
///
/// @param kind how a text is cut into pieces
/// @param pieces by id
/// @param scores by id
/// @param types by id, in [Vocabulary]'s numbers
/// @param charsmap the precompiled normalisation table, or null for none
/// @param unkSurface what the unknown token decodes to
@SuppressWarnings("ArrayRecordComponent")
record SentencePieceModel(
    Kind kind,
    List<String> pieces,
    float[] scores,
    int[] types,
    boolean byteFallback,
    Whitespace whitespace,
    @Nullable CharsMap charsmap,
    String unkSurface,
    OptionalInt bos,
    OptionalInt eos,
    OptionalInt pad) {

  enum Kind {
    UNIGRAM,
    BPE
  }

  /// @param dummyPrefix put one space before the text
  /// @param removeExtra drop leading and trailing spaces, and fold runs into one
  /// @param escape write spaces as `▁`
  /// @param asSuffix the dummy space goes to the end instead
  record Whitespace(boolean dummyPrefix, boolean removeExtra, boolean escape, boolean asSuffix) {}

  static final char SPACE_SYMBOL = '\u2581';

  private static final int MAX_PIECES = 2_000_000;
  private static final int MAX_PIECE_CHARS = 1024;
  private static final int MAX_TOTAL_CHARS = 16_000_000;
  static final String DEFAULT_UNK_SURFACE = " \u2047 ";

  SentencePieceModel {
    pieces = List.copyOf(pieces);
    long total = 0;
    for (String piece : pieces) {
      if (piece.isEmpty() || piece.length() > MAX_PIECE_CHARS) {
        throw new FathomException(
            "expected pieces of 1 to %d characters, found one of %d"
                .formatted(MAX_PIECE_CHARS, piece.length()));
      }
      total += piece.length();
    }
    if (pieces.isEmpty() || pieces.size() > MAX_PIECES || total > MAX_TOTAL_CHARS) {
      throw new FathomException(
          "expected 1 to %d pieces of at most %d characters together, found %d of %d"
              .formatted(MAX_PIECES, MAX_TOTAL_CHARS, pieces.size(), total));
    }
    for (float score : scores) {
      if (!Float.isFinite(score)) {
        throw new FathomException("expected finite piece scores, found " + score);
      }
    }
  }

  /// Reads a tokenizer.model. Messages do not name the file; the caller does.
  static SentencePieceModel parse(ByteBuffer file) {
    Draft draft = new Draft();
    ProtoReader in = new ProtoReader(file);
    for (int field; (field = in.nextField()) != 0; ) {
      switch (field) {
        case 1 -> draft.addPiece(new ProtoReader(in.message()));
        case 2 -> draft.readTrainer(new ProtoReader(in.message()));
        case 3 -> draft.readNormalizer(new ProtoReader(in.message()));
        case 5 -> draft.readDenormalizer(new ProtoReader(in.message()));
        default -> in.skip();
      }
    }
    return draft.finish();
  }

  int unk() {
    for (int id = 0; id < types.length; id++) {
      if (types[id] == Vocabulary.UNKNOWN) {
        return id;
      }
    }
    throw new FathomException("expected a piece of type UNKNOWN, found none");
  }

  /// Ids of the 256 byte pieces, by byte; -1 where there is none.
  int[] byteIds() {
    int[] ids = new int[256];
    Arrays.fill(ids, -1);
    for (int id = 0; id < types.length; id++) {
      int value = types[id] == Vocabulary.BYTE ? byteOf(pieces.get(id)) : -1;
      if (value >= 0) {
        ids[value] = id;
      }
    }
    return ids;
  }

  /// The byte that a piece like `<0x0A>` stands for, or -1.
  static int byteOf(String piece) {
    if (piece.length() != 6 || !piece.startsWith("<0x") || piece.charAt(5) != '>') {
      return -1;
    }
    int high = Character.digit(piece.charAt(3), 16);
    int low = Character.digit(piece.charAt(4), 16);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
  }

  /// The message as it is read: fields may come in any order.
  private static final class Draft {
    private final List<String> pieces = new ArrayList<>();
    private float[] scores = new float[1024];
    private int[] types = new int[1024];
    private int kind = 1;
    private boolean byteFallback;
    private boolean suffix;
    private String unkSurface = DEFAULT_UNK_SURFACE;
    private String bosPiece = "<s>";
    private String eosPiece = "</s>";
    private String padPiece = "<pad>";
    private boolean dummyPrefix = true;
    private boolean removeExtra = true;
    private boolean escape = true;
    private @Nullable CharsMap charsmap;

    void addPiece(ProtoReader in) {
      int id = pieces.size();
      if (id == MAX_PIECES) {
        throw new FathomException("expected at most %d pieces, found more".formatted(MAX_PIECES));
      }
      if (id == scores.length) {
        scores = Arrays.copyOf(scores, id * 2);
        types = Arrays.copyOf(types, id * 2);
      }
      String piece = "";
      types[id] = Vocabulary.NORMAL;
      for (int field; (field = in.nextField()) != 0; ) {
        switch (field) {
          case 1 -> piece = in.text();
          case 2 -> scores[id] = in.real();
          case 3 -> types[id] = (int) in.number();
          default -> in.skip();
        }
      }
      if (types[id] < Vocabulary.NORMAL || types[id] > Vocabulary.BYTE) {
        throw new FathomException(
            "expected piece types 1 to 6, found %d at piece %d".formatted(types[id], id));
      }
      pieces.add(piece);
    }

    void readTrainer(ProtoReader in) {
      for (int field; (field = in.nextField()) != 0; ) {
        switch (field) {
          case 3 -> kind = (int) in.number();
          case 24 -> suffix = in.flag();
          case 35 -> byteFallback = in.flag();
          case 44 -> unkSurface = in.text();
          case 46 -> bosPiece = in.text();
          case 47 -> eosPiece = in.text();
          case 48 -> padPiece = in.text();
          default -> in.skip();
        }
      }
    }

    void readNormalizer(ProtoReader in) {
      for (int field; (field = in.nextField()) != 0; ) {
        switch (field) {
          case 2 -> {
            ByteBuffer blob = in.message();
            charsmap = blob.hasRemaining() ? CharsMap.parse(blob) : null;
          }
          case 3 -> dummyPrefix = in.flag();
          case 4 -> removeExtra = in.flag();
          case 5 -> escape = in.flag();
          default -> in.skip();
        }
      }
    }

    void readDenormalizer(ProtoReader in) {
      for (int field; (field = in.nextField()) != 0; ) {
        if (field == 2 && in.message().hasRemaining()) {
          throw new FathomException(
              "expected no denormalisation table, found one; such models are not supported");
        } else if (field != 2) {
          in.skip();
        }
      }
    }

    SentencePieceModel finish() {
      Kind cut =
          switch (kind) {
            case 1 -> Kind.UNIGRAM;
            case 2 -> Kind.BPE;
            default ->
                throw new FathomException(
                    "expected a unigram (1) or BPE (2) model, found model type " + kind);
          };
      if (pieces.isEmpty()) {
        throw new FathomException("expected a SentencePiece model, found no pieces");
      }
      SentencePieceModel model =
          new SentencePieceModel(
              cut,
              pieces,
              Arrays.copyOf(scores, pieces.size()),
              Arrays.copyOf(types, pieces.size()),
              byteFallback,
              new Whitespace(dummyPrefix, removeExtra, escape, suffix),
              charsmap,
              unkSurface,
              control(bosPiece),
              control(eosPiece),
              control(padPiece));
      if (byteFallback && Arrays.stream(model.byteIds()).anyMatch(id -> id < 0)) {
        throw new FathomException("expected 256 byte pieces for byte fallback, found fewer");
      }
      return model;
    }

    private OptionalInt control(String piece) {
      int id = pieces.indexOf(piece);
      return id >= 0 && types[id] == Vocabulary.CONTROL ? OptionalInt.of(id) : OptionalInt.empty();
    }
  }
}
