package dev.fathom;

import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static java.util.function.Predicate.not;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// Keeps the packages of the library in their order, so that reading one needs only those below it.
class PackageOrderTest {

  /// Lowest first. A package and its sub-packages may use those before it and the root.
  private static final List<String> ORDER =
      List.of(
          "view",
          "text",
          "data",
          "render",
          "tensor",
          "checkpoint",
          "model",
          "arch",
          "edit",
          "evaluate",
          "train",
          "explain",
          "refine",
          "align",
          "concepts",
          "world");

  /// Packages that may use less than everything before them.
  private static final Map<String, Set<String>> ONLY =
      Map.of("view", Set.of(), "text", Set.of(), "data", Set.of("text"), "render", Set.of("view"));

  /// Methods work on any model: they never name a family.
  private static final Set<String> NO_FAMILY = Set.of("explain", "refine", "align", "concepts");

  private static final String BASE = "dev.fathom";
  private static final String FIXTURE = "dev.fathom.packageorder";

  private static final JavaClasses LIBRARY =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages(BASE);

  @Test
  void everyPackageUsesOnlyThoseBelowIt() {
    assertThat(LIBRARY).isNotEmpty();
    assertThat(violations(LIBRARY, BASE)).isEmpty();
  }

  @Test
  void noPackagesUseEachOtherInACircle() {
    slices()
        .matching(BASE + ".(**)")
        .should()
        .beFreeOfCycles()
        .allowEmptyShould(true)
        .check(LIBRARY);
  }

  @Test
  void aLibraryThatBreaksTheOrderIsFoundOut() {
    var broken = new ClassFileImporter().importPackages(FIXTURE);
    assertThat(violations(broken, FIXTURE))
        .containsExactly(
            "explain.NamesAFamily uses arch.Family",
            "render.TouchesNativeCode uses org.bytedeco.javacpp.Pointer",
            "stray.Unplaced is in no known package",
            "view.LooksUp uses text.Plain");
  }

  /// One sentence for each pair of classes that breaks the order, below the package `base`.
  private static Set<String> violations(JavaClasses classes, String base) {
    var found = new TreeSet<String>();
    for (var user : classes) {
      var from = place(user, base);
      if (!from.isEmpty() && !ORDER.contains(from)) {
        found.add(name(user, base) + " is in no known package");
        continue;
      }
      user.getDirectDependenciesFromSelf().stream()
          .map(Dependency::getTargetClass)
          .filter(not(used -> mayUse(from, used, base)))
          .forEach(used -> found.add(name(user, base) + " uses " + name(used, base)));
    }
    return found;
  }

  private static boolean mayUse(String from, JavaClass used, String base) {
    if (used.getPackageName().startsWith("org.bytedeco")) return from.equals("tensor");
    if (!isUnder(used.getPackageName(), base)) return true;
    var to = place(used, base);
    if (to.isEmpty() || to.equals(from)) return true;
    if (NO_FAMILY.contains(from) && to.equals("arch")) return false;
    return ONLY.containsKey(from)
        ? ONLY.get(from).contains(to)
        : ORDER.contains(to) && ORDER.indexOf(to) < ORDER.indexOf(from);
  }

  /// The first part of a class's package below `base`: `explain` for `dev.fathom.explain.sweep`,
  /// empty for the root.
  private static String place(JavaClass c, String base) {
    var rest = c.getPackageName().substring(base.length());
    return rest.isEmpty() ? "" : rest.substring(1).split("\\.", 2)[0];
  }

  private static boolean isUnder(String packageName, String base) {
    return packageName.equals(base) || packageName.startsWith(base + ".");
  }

  private static String name(JavaClass c, String base) {
    return isUnder(c.getPackageName(), base)
        ? c.getName().substring(base.length() + 1)
        : c.getName();
  }
}
