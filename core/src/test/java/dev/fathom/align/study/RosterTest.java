package dev.fathom.align.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.align.Method;
import java.util.List;
import org.junit.jupiter.api.Test;

class RosterTest {
  @Test
  void everyMethodHasAtMostEightDifferentSettingsAndTheControlAsManyAsItsMethod() {
    var all = Roster.all();
    assertThat(all.keySet())
        .contains("thesis", "lope", "editOnly", "pairs", AlignmentTable.CONTROL);
    all.forEach((name, entrant) -> {
      assertThat(entrant.name()).isEqualTo(name);
      assertThat(entrant.settings()).hasSizeBetween(1, 8).doesNotHaveDuplicates();
      assertThat(entrant.settings()).extracting(Method::name).containsOnly(name);
    });
    assertThat(settings(AlignmentTable.CONTROL))
        .extracting(Method::settings)
        .isEqualTo(settings("pairs").stream().map(Method::settings).toList());
  }

  private static List<Method> settings(String name) {
    return Roster.named(List.of(name)).getFirst().settings();
  }

  @Test
  void methodsAreNamedEachOnce() {
    assertThat(Roster.named(List.of("pairs", "lope", "pairs")))
        .extracting(Entrant::name)
        .containsExactly("pairs", "lope");
    assertThatThrownBy(() -> Roster.named(List.of("lop")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("'lop'", "lope", "random");
  }

  @Test
  void entrantsHaveNamesThatFoldersCanHave() {
    List<Method> some = settings("lope");
    for (String name : List.of("", "a/b", "..", "base", "a b")) {
      assertThatThrownBy(() -> new Entrant(name, some))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("'" + name + "'");
    }
    assertThatThrownBy(() -> new Entrant("lope", List.of())).hasMessageContaining("lope");
  }

  @Test
  void fewerSettingsAreThoseOfTheWholeList() {
    Entrant pairs = Roster.named(List.of("pairs")).getFirst();
    assertThat(pairs.withAtMost(8)).isEqualTo(pairs);
    assertThat(pairs.withAtMost(3).settings())
        .containsExactly(pairs.settings().get(0), pairs.settings().get(2), pairs.settings().get(5));
    assertThatThrownBy(() -> pairs.withAtMost(0)).hasMessageContaining("found 0");
  }
}
