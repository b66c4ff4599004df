package dev.fathom.explain.report;

import dev.fathom.view.Grid;
import dev.fathom.view.View;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Function;

/// One figure or table of the thesis, and how it is made for a model.
///
/// @param id its number there, such as `4.1`; that of a table, such as `table-5.1`
/// @param title what it shows, a few words
/// @param expected what it shows in the thesis, in a sentence or two
/// @param from where it is drawn from
/// @param make how it is made; empty where there is nothing to make it from
public record Figure(
    String id,
    String title,
    String expected,
    Source from,
    Function<Figures.Subject, Optional<Drawn>> make) {
  private static final String TABLE = "table-";

  /// By number, figures before tables, chapters before appendices.
  static final Comparator<Figure> ORDER =
      Comparator.comparing(Figure::table)
          .thenComparing(Figure::chapter)
          .thenComparing(Figure::place);

  /// Where a figure is drawn from.
  public sealed interface Source {
    /// The model at hand, which takes its time: a figure that is there already stays.
    record Model() implements Source {}

    /// The model and data that have to be given: stays, too.
    ///
    /// @param command that gives them
    record Given(String command) implements Source {}

    /// What another command left: drawn anew each time, as there may be more of it.
    ///
    /// @param command that leaves it, such as `fathom study tables`
    record Runs(String command) implements Source {}

    /// Whether a figure that is there already stays.
    default boolean stays() {
      return !(this instanceof Runs);
    }

    /// What makes a figure that is missing; empty where the model is enough.
    default Optional<String> madeBy() {
      return switch (this) {
        case Model() -> Optional.empty();
        case Given(String command) -> Optional.of(command);
        case Runs(String command) -> Optional.of(command);
      };
    }
  }

  /// A figure of one model.
  ///
  /// @param views drawn below each other
  /// @param arrays the numbers
  /// @param found what is drawn, in a sentence or two
  public record Drawn(List<View> views, SequencedMap<String, Grid> arrays, String found) {
    public Drawn {
      views = List.copyOf(views);
    }
  }

  /// Its name in the thesis, such as `Table 5.1`.
  public String name() {
    return (table() ? "Table " : "Figure ") + number();
  }

  private boolean table() {
    return id.startsWith(TABLE);
  }

  private String number() {
    return table() ? id.substring(TABLE.length()) : id;
  }

  private String chapter() {
    return number().substring(0, number().indexOf('.'));
  }

  private int place() {
    return Integer.parseInt(number().substring(number().indexOf('.') + 1));
  }

  /// What its files are called, without an ending.
  String file() {
    return table() ? id : "figure-" + id;
  }
}
