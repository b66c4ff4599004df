package dev.fathom.model;

import static dev.fathom.model.Kind.EMBED;
import static dev.fathom.model.Kind.EMBED_NORM;
import static dev.fathom.model.Kind.POS_EMBED;
import static dev.fathom.model.Kind.TOKEN_TYPE_EMBED;

import dev.fathom.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// From token ids to the stream: the table's rows, scaled, plus absolute positions and segment
/// embedding where the family has them, normalised where it does that.
///
/// @param table `[vocab, dModel]`
/// @param scale factor on the table's rows (Gemma: √dModel; Granite: its embedding multiplier)
/// @param positions absolute positions, null for rotary or ALiBi families
/// @param tokenType the segment embedding of segment 0, `[dModel]`, null without
/// @param norm null without
public record Embedding(
    Tensor table,
    double scale,
    @Nullable Positions positions,
    @Nullable Tensor tokenType,
    @Nullable Norm norm) {

  public static Embedding plain(Tensor table) {
    return new Embedding(table, 1, null, null, null);
  }

  /// I64 ids `[tokens] -> [tokens, dModel]`.
  Tensor forward(Tensor ids, Pass pass) {
    Tensor rows = table.embedding(ids);
    Tensor x = pass.at(EMBED, -1, scale == 1 ? rows : rows.mul(scale)); // [tokens, dModel]
    if (positions != null) {
      x = x.add(pass.at(POS_EMBED, -1, positions.of(pass.positions(), x.dtype())));
    }
    if (tokenType != null) {
      Tensor same = tokenType.unsqueeze(0).expand(x.size(0), x.size(1));
      x = x.add(pass.at(TOKEN_TYPE_EMBED, -1, same));
    }
    return norm == null ? x : pass.at(EMBED_NORM, -1, norm.of(x));
  }

  public long vocabulary() {
    return table.size(0);
  }

  public long dModel() {
    return table.size(1);
  }
}
