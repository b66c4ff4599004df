package dev.fathom.concepts;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.data.Concept;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class BundledConceptsTest {
  private static final List<Concept> ALL = BundledConcepts.all();

  @Test
  void fourConceptsAGroupHaveTwelveStimuliEach() {
    assertThat(ALL).hasSize(36);
    var groups = ALL.stream().collect(Collectors.groupingBy(Concept::group, Collectors.counting()));
    assertThat(groups).hasSize(9).doesNotContainKey(Optional.empty());
    assertThat(groups.values()).containsOnly(4L);
    assertThat(ALL).extracting(Concept::name).doesNotHaveDuplicates();
    assertThat(ALL).extracting(Concept::name).contains("love", "goodness", "hate");
    assertThat(ALL).allSatisfy(concept -> assertThat(concept.stimuli()).hasSize(12));
  }

  @Test
  void noStimulusIsThereTwiceOrNamesItsConcept() {
    assertThat(ALL.stream().flatMap(concept -> concept.stimuli().stream()))
        .doesNotHaveDuplicates()
        .allSatisfy(stimulus -> assertThat(stimulus.split(" ")).as(stimulus).hasSizeBetween(8, 20));
    for (Concept concept : ALL) {
      var named = Pattern.compile("\\b" + concept.name(), Pattern.CASE_INSENSITIVE);
      assertThat(concept.stimuli()).noneMatch(stimulus -> named.matcher(stimulus).find());
    }
  }
}
