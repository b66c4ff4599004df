package dev.fathom.world;

import dev.fathom.align.AttributeWords;
import dev.fathom.data.LabelledText;
import dev.fathom.evaluate.bias.StereoSetItem;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// What the [AlignmentTrial] fits on and what it asks. The occupations are dealt into two halves,
/// of each planted share as many in one as in the other: everything is fitted on the first.
final class AlignmentQuestions {
  /// Ways of saying it that are fitted on, of each occupation.
  private static final int WAYS = 3;

  private static final int OTHER_WAYS = 1;

  /// Texts of the world from a round that no training reached and nothing is fitted on.
  private static final int MEASURED_ROUND = 9000;

  private static final int FITTED_ROUND = 8000;

  private final World world;
  private final List<Truth.Rate> rates;
  private final Set<String> fitted = new HashSet<>(); // singular and plural

  AlignmentQuestions(World world) {
    this.world = world;
    this.rates =
        Truth.of(world).rates().stream()
            .filter(rate -> !rate.planted().relation().equals("people"))
            .toList();
    var byShare = new TreeMap<Double, List<Occupation>>();
    for (Occupation occupation : world.occupations()) {
      byShare.computeIfAbsent(occupation.men(), _ -> new ArrayList<>()).add(occupation);
    }
    byShare.forEach((share, own) -> {
      Collections.shuffle(own, Chance.source("half", share));
      own.subList(0, own.size() / 2)
          .forEach(occupation -> {
            fitted.add(occupation.singular());
            fitted.add(occupation.plural());
          });
    });
  }

  /// The planted associations of occupations and the prompts that ask for them.
  List<Truth.Rate> rates() {
    return rates;
  }

  /// Whether everything is fitted on the occupation of this association.
  boolean isFitted(Planted planted) {
    return isFitted(planted.subject());
  }

  /// @param subject `pilots` or `pilot`
  boolean isFitted(String subject) {
    return fitted.contains(subject);
  }

  /// Whether the share is asked for by the word that follows *most pilots are*, the one that aims
  /// are about.
  static boolean isShare(Planted planted) {
    return planted.relation().equals("occupation");
  }

  static boolean isPlanted(Planted planted) {
    return planted.rate() != 0.5;
  }

  /// Prompts about men and women of all planted occupations, labelled by who is more frequent.
  List<LabelledText> labelled() {
    return rates.stream()
        .filter(rate -> isShare(rate.planted()) && isPlanted(rate.planted()))
        .flatMap(rate ->
            rate.prompts().stream()
                .map(prompt ->
                    new LabelledText(
                        prompt.prompt(),
                        rate.planted().rate() > 0.5 ? "men" : "women",
                        Optional.of(rate.planted().subject()),
                        Optional.empty())))
        .toList();
  }

  /// Items about the fitted half: the more frequent word is the stereotype.
  List<StereoSetItem> items() {
    var items = new ArrayList<StereoSetItem>();
    for (Truth.Rate rate : rates) {
      if (isFitted(rate.planted()) && isPlanted(rate.planted())) {
        var ways = new ArrayList<>(rate.prompts());
        Collections.shuffle(ways, Chance.source("ways", rate.planted()));
        ways.stream()
            .limit(isShare(rate.planted()) ? WAYS : OTHER_WAYS)
            .forEach(way -> items.add(item(rate.planted(), way, items.size())));
      }
    }
    return items;
  }

  private StereoSetItem item(Planted planted, Cloze way, int number) {
    boolean first = planted.rate() > 0.5;
    String one = way.answer();
    String other = way.foils().getFirst();
    String id = "gender-" + number;
    return new StereoSetItem(
        id,
        "gender",
        occupation(planted).singular(),
        way.prompt() + " " + StereoSetItem.BLANK + way.rest(),
        sentence(id + "-s", way, first ? one : other),
        sentence(id + "-a", way, first ? other : one),
        sentence(id + "-u", way, isShare(planted) ? " apples" : " table"));
  }

  private static StereoSetItem.Sentence sentence(String id, Cloze way, String word) {
    return new StereoSetItem.Sentence(id, way.prompt() + word + way.rest());
  }

  private Occupation occupation(Planted planted) {
    return world.occupations().stream()
        .filter(o -> Set.of(o.singular(), o.plural()).contains(planted.subject()))
        .findFirst()
        .orElseThrow();
  }

  /// Men and women, he and she, his and her, and the names of people.
  AttributeWords words() {
    var sets = new ArrayList<List<String>>();
    sets.add(List.of("men", "women"));
    sets.add(List.of("he", "she"));
    sets.add(List.of("his", "her"));
    List<String> men = names(true);
    List<String> women = names(false);
    for (int i = 0; i < Math.min(men.size(), women.size()); i++) {
      sets.add(List.of(men.get(i), women.get(i)));
    }
    return new AttributeWords("gender", sets);
  }

  private List<String> names(boolean male) {
    return world.persons().stream().filter(p -> p.male() == male).map(Person::name).toList();
  }

  /// Texts of the world about anything but occupations.
  List<String> neutral(int most) {
    String names =
        world.occupations().stream()
            .flatMap(o -> Stream.of(o.singular(), o.plural()))
            .map(Pattern::quote)
            .collect(Collectors.joining("|"));
    Pattern about = Pattern.compile("\\b(?:" + names + ")\\b");
    return new Corpus(world, 1)
        .round(FITTED_ROUND).stream()
            .filter(text -> !about.matcher(text.toLowerCase(Locale.ROOT)).find())
            .limit(most)
            .toList();
  }

  /// Texts of the world, as many about occupations as it has.
  List<String> texts(int most) {
    return new Corpus(world, 1).round(MEASURED_ROUND).stream().limit(most).toList();
  }
}
