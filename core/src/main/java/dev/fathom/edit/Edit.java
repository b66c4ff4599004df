package dev.fathom.edit;

import dev.fathom.Sha256;
import dev.fathom.checkpoint.Card;
import dev.fathom.model.Transformer;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;

/// What is to be different in a model, as a value: made once, kept in a file ([EditFile]), applied
/// as often as one likes ([Edits]).
///
/// @param name what results call it: a file's name without its ending
/// @param card which model it was made from, and how
/// @param changes in the order in which they are made
/// @param scale how far to go from the model (0) to the edited one (1); more goes beyond
public record Edit(String name, Card card, List<Change> changes, double scale) {
  /// The kind of card an edit's file has.
  static final String KIND = "edit";

  public Edit {
    changes = List.copyOf(changes);
    if (!Double.isFinite(scale)) {
      throw new IllegalArgumentException("the scale of an edit is a number, found " + scale);
    }
  }

  /// An edit of this model, with a card of today; it is called as its method is.
  ///
  /// @param method how the changes were found, a few words
  public static Edit of(Transformer base, String method, List<Change> changes) {
    Card card = Card.of(KIND, method, base.card().name(), base.card().sha256().get());
    return new Edit(method, card, changes, 1);
  }

  /// The same under another name.
  public Edit named(String name) {
    return new Edit(name, card, changes, scale);
  }

  /// The same with another card.
  public Edit with(Card card) {
    return new Edit(name, card, changes, scale);
  }

  /// The same, so far: `W + scale · (W_edited − W)`. At 0 it changes nothing, at 1 all of it.
  public Edit at(double scale) {
    return new Edit(name, card, changes, scale);
  }

  /// Whether it changes anything.
  boolean acts() {
    return scale != 0 && !changes.isEmpty();
  }

  /// Its name, and its scale where that is not 1.
  public String title() {
    return scale == 1 ? name : name + ":" + plain(scale);
  }

  /// Without a fraction where it is whole.
  static String plain(double scale) {
    return scale == Math.rint(scale) && Math.abs(scale) < 1e9
        ? Long.toString((long) scale)
        : Double.toString(scale);
  }

  /// SHA-256 of what it changes, 64 hexadecimal digits: equal edits have equal ones, whatever their
  /// names, cards and scales.
  public String fingerprint() {
    MessageDigest digest = Sha256.begin();
    for (Change change : changes) {
      switch (change) {
        case Change.Rows rows -> {
          update(digest, "rows\t%s\t%d\t%s".formatted(rows.tensor(), rows.axis(), rows.indices()));
          update(digest, rows.values());
        }
        case Change.Bias bias -> {
          update(digest, "bias\t%s\t%d".formatted(bias.tensor(), bias.from()));
          update(digest, bias.values());
        }
        case Change.LowRank step -> {
          update(
              digest, "lowrank\t%s\t%d\t%s".formatted(step.tensor(), step.from(), step.factor()));
          update(digest, step.a());
          update(digest, step.b());
        }
      }
    }
    return Sha256.hex(digest);
  }

  /// The fingerprint of a model that this edit changes: SHA-256 of one line with the model's own,
  /// the edit's and its scale.
  String fingerprint(String model) {
    MessageDigest digest = Sha256.begin();
    update(digest, "%s\t%s\t%s\n".formatted(model, fingerprint(), Double.toString(scale)));
    return Sha256.hex(digest);
  }

  private static void update(MessageDigest digest, Values values) {
    update(digest, "\t%s\t%s\n".formatted(values.type(), values.shape()));
    digest.update(values.bytes().asByteBuffer());
  }

  private static void update(MessageDigest digest, String text) {
    digest.update(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
  }
}
