import { CallError, count, echo, fail, source, warm } from "./client";
import type { EchoInputs, Limit } from "./client";

declare const process: { argv: string[]; exit(code: number): never };

function same(one: unknown, other: unknown): void {
    const [left, right] = [JSON.stringify(one), JSON.stringify(other)];
    if (left !== right) throw new Error(`${left} is not ${right}`);
}

async function main(urls: string[]): Promise<void> {
    const [countUrl, warmUrl, sourceUrl, echoUrl, failUrl] = urls as [string, string, string, string, string];

    const page = await count(countUrl);
    if (page === undefined) throw new Error("filtered");
    const [reading] = page.items;
    if (reading === undefined) throw new Error("no item");
    same([page.total, reading.sensorName, reading.tags, reading.from], [2, "roof", undefined, "127.0.0.1"]);
    const limit: Limit | undefined = reading.limits["b"];
    // The tag tells which fields are there.
    if (limit?.limit !== "above") throw new Error("no limit");
    same(limit.value, 1.5);
    same(await count({ url: countUrl, headers: { "Dyninka-Route": "source, 3" } }).then((page) => page?.total), 3);

    const cold = { ...(await source(sourceUrl)), value: 5 };
    same(await warm(warmUrl, { reading: cold }), undefined);

    const inputs: EchoInputs = {
        event: { t: "Moved", c: [-1, 1] },
        loose: [true, "x"],
        node: { id: 1, next: { id: 2, children: [] }, children: [] },
        id: 7,
        names: { "7": "seven" },
        outcome: { Err: "no" },
    };
    const [event, loose, node, id, names, outcome] = await echo(echoUrl, inputs);
    same([event, loose, id, names, outcome], [inputs.event, inputs.loose, 7, inputs.names, inputs.outcome]);
    same(node.next?.next, null);

    same(await fail(failUrl, { type: "yes" }), null);
    try {
        await fail(failUrl, { type: "no" });
        throw new Error("no problem");
    } catch (error) {
        if (!(error instanceof CallError)) throw error;
        same([error.status, error.problem?.service], [500, "fail"]);
    }
}

main(process.argv.slice(2)).then(
    () => console.log("called"),
    (error) => {
        console.error(error);
        process.exit(1);
    },
);
