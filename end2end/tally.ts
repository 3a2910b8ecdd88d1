// Closes a run with one line that says how many tests passed and failed.
import type { FullResult, Reporter, Suite } from "@playwright/test/reporter";

class Tally implements Reporter {
    private suite?: Suite;

    onBegin(_config: unknown, suite: Suite) {
        this.suite = suite;
    }

    onEnd(_result: FullResult) {
        const outcomes = (this.suite?.allTests() ?? []).map((test) => test.outcome());
        const count = (outcome: string) => outcomes.filter((each) => each === outcome).length;
        const skipped = count("skipped");
        const passed = count("expected") + count("flaky");
        console.log(`\n${passed} passed, ${count("unexpected")} failed${skipped ? `, ${skipped} skipped` : ""}`);
    }
}

export default Tally;
