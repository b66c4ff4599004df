import dev.fathom.concepts.Dictionary;
import dev.fathom.concepts.map.ConceptMap;
import dev.fathom.render.Html;
import dev.fathom.view.Report;
import dev.fathom.view.Section;

/// Maps the concepts of two models. Two dictionaries, a concept to look at closely, a page to write.
void main(String[] args) throws IOException {
  try (var base = Dictionary.open(Path.of(args[0]));
      var tuned = Dictionary.open(Path.of(args[1]))) {
    var config = ConceptMap.Config.standard().around(args[2]);
    var result = ConceptMap.of(base, base.bestLayer(), tuned, config);
    for (var group : result.change().orElseThrow().groups()) {
      IO.println(group.group() + ": p " + group.test().p());
    }
    var section = Section.of("Map", "", result);
    var page = new Report("Concepts", "", result.found(), List.of(section), result.provenance());
    Files.writeString(Path.of(args[3]), Html.render(page));
  }
}
