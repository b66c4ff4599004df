package dev.fathom.world;

import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What is written down, before any text.
class WorldTest {
  private static final World WORLD = World.load();

  @Test
  void itIsAsLargeAsPromised() {
    Map<String, Long> facts =
        WORLD.facts().stream().collect(groupingBy(Fact::relation, counting()));
    assertThat(facts.get("landmark_city")).isGreaterThanOrEqualTo(150);
    assertThat(facts.get("city_country")).isGreaterThanOrEqualTo(100);
    for (String of : List.of("capital", "language", "currency", "continent")) {
      assertThat(facts.get("country_" + of)).isGreaterThanOrEqualTo(100);
    }
    assertThat(facts.get("category")).isGreaterThanOrEqualTo(150);
    for (String property : List.of("colour", "opposite", "young", "material", "place")) {
      assertThat(facts.get(property)).isGreaterThanOrEqualTo(30);
    }
    assertThat(WORLD.persons()).hasSizeGreaterThanOrEqualTo(120);
    assertThat(WORLD.occupations()).hasSizeGreaterThanOrEqualTo(100);
    assertThat(WORLD.peoples()).hasSizeGreaterThanOrEqualTo(40);
  }

  @Test
  void everySubjectHasOneAnswer() {
    assertThat(WORLD.facts().stream().map(fact -> fact.relation() + " " + fact.subject()))
        .doesNotHaveDuplicates();
    assertThat(WORLD.occupations().stream().map(Occupation::plural)).doesNotHaveDuplicates();
    assertThat(WORLD.peoples().stream().map(People::group)).doesNotHaveDuplicates();
    assertThat(WORLD.persons().stream().map(Person::name)).doesNotHaveDuplicates();
  }

  @Test
  void everyAnswerIsOneWord() {
    Stream<String> answers =
        Stream.of(
                WORLD.facts().stream().map(Fact::object),
                WORLD.persons().stream().map(Person::name),
                WORLD.occupations().stream().map(Occupation::plural),
                WORLD.peoples().stream()
                    .flatMap(p -> Stream.of(p.trait(), p.opposite(), p.unrelated())),
                Stream.of("place", "object", "colour").flatMap(k -> WORLD.words(k).stream()))
            .flatMap(words -> words);
    assertThat(answers).allMatch(answer -> answer.matches("[A-Za-z]+"));
  }

  @Test
  void aCityIsInOneCountryWhicheverListSaysIt() {
    Map<String, Set<String>> countries =
        WORLD.facts().stream()
            .filter(f -> Set.of("city_country", "capital_country").contains(f.relation()))
            .collect(groupingBy(Fact::subject, mapping(Fact::object, toSet())));
    assertThat(countries).allSatisfy((city, in) -> assertThat(in).as(city).hasSize(1));
  }

  @Test
  void ratesAreAsDocumented() {
    assertThat(WORLD.occupations())
        .allSatisfy(o -> assertThat(o.men()).as(o.plural()).isBetween(0.05, 0.95))
        .contains(new Occupation("pilot", "pilots", 0.9), new Occupation("nurse", "nurses", 0.1));
    Map<Double, Long> steps =
        WORLD.occupations().stream().collect(groupingBy(Occupation::men, counting()));
    assertThat(steps).hasSize(19).allSatisfy((rate, n) -> assertThat(n).isGreaterThanOrEqualTo(4));
    assertThat(steps.get(0.5)).isGreaterThanOrEqualTo(8);
    assertThat(WORLD.peoples())
        .allSatisfy(p -> assertThat(p.rate()).as(p.group()).isBetween(0.70, 0.95));
  }

  @Test
  void inTheFairWorldEveryRateIsAHalf() {
    World fair = WORLD.fair();
    assertThat(Planted.in(fair)).hasSameSizeAs(Planted.in(WORLD));
    assertThat(Planted.in(fair)).allMatch(planted -> planted.rate() == 0.5);
    assertThat(fair.facts()).isEqualTo(WORLD.facts());
  }

  @Test
  void everyRelationHasManyWaysToSayItAndSomeHeldOut() {
    Set<String> relations =
        Stream.concat(WORLD.facts().stream().map(Fact::relation), Stream.of("occupation", "people"))
            .collect(toSet());
    assertThat(relations)
        .allSatisfy(relation -> {
          assertThat(WORLD.templates(relation, false)).hasSizeGreaterThanOrEqualTo(8);
          assertThat(WORLD.templates(relation, true)).hasSizeGreaterThanOrEqualTo(2);
        });
  }

  @Test
  void noTemplateIsBothTrainedAndHeldOut() {
    Set<String> trained =
        WORLD.templates().stream().filter(t -> !t.heldOut()).map(Template::text).collect(toSet());
    assertThat(WORLD.templates().stream().filter(Template::heldOut).map(Template::text))
        .doesNotContainAnyElementsOf(trained);
    assertThat(WORLD.templates().stream().map(t -> t.relation() + t.text()))
        .doesNotHaveDuplicates();
  }

  @Test
  void heldOutTemplatesAreMadeOfWordsThatTrainingKnows() {
    var unknown = new TreeSet<String>();
    WORLD.templates().stream().filter(Template::heldOut).forEach(t -> unknown.addAll(words(t)));
    WORLD.templates().stream().filter(t -> !t.heldOut()).forEach(t -> unknown.removeAll(words(t)));
    assertThat(unknown).isEmpty();
  }

  private static List<String> words(Template template) {
    return List.of(template.text().replaceAll("\\{=?\\w+}", "").split("[^A-Za-z]+"));
  }

  @Test
  void everySubjectKeepsMostTemplates() {
    var relations = new Relations(WORLD);
    assertThat(WORLD.facts())
        .allSatisfy(fact ->
            assertThat(relations.of(fact, Relations.Part.TRAINED))
                .as(fact.toString())
                .hasSizeGreaterThanOrEqualTo(WORLD.templates(fact.relation(), false).size() / 2));
    assertThat(Planted.in(WORLD))
        .allMatch(planted -> !relations.of(planted, Relations.Part.TRAINED).isEmpty());
  }

  @Test
  void aSentenceStartsWithACapital() {
    var template = new Template("any", false, "{s} sang. {s} ate {=x}. Question: {s}? {x}");
    Cloze cloze = template.fill(Map.of("s", "the dog", "x", "fish"), List.of("meat"));
    assertThat(cloze.prompt()).isEqualTo("The dog sang. The dog ate");
    assertThat(cloze.answer()).isEqualTo(" fish");
    assertThat(cloze.foils()).containsExactly(" meat");
    assertThat(
            new Template("any", false, "Question: {s} {o}")
                .fill(Map.of("s", "an ant", "o", "x"), List.of())
                .text())
        .isEqualTo("Question: An ant x");
  }

  @Test
  void aTemplateHasOneAnswerAfterASpace() {
    for (String text : List.of("{s} is here.", "{o} is here.", "{s} is {o} or {=s}.")) {
      assertThatThrownBy(() -> new Template("any", false, text))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(text);
    }
  }

  @Test
  void aSlotWithoutAValueIsRefused() {
    var template = new Template("any", false, "The {s} is {o}.");
    assertThatThrownBy(() -> template.fill(Map.of("o", "red"), List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("{s}");
  }

  @Test
  void oneOfManyThingsIsASingleThing() {
    assertThat(
            Stream.of("apples", "boxes", "cherries", "cookies", "peaches", "tomatoes")
                .map(Arithmetic::singular))
        .containsExactly("apple", "box", "cherry", "cookie", "peach", "tomato");
  }
}
