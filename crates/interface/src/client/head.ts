
/** An answer that is no value (RFC 9457). */
export type Problem = {
    type: string;
    title: string;
    status: number;
    detail: string;
    service: string;
    path?: string[];
};

/** A call without a value: its status, and the problem where the answer has one. */
export class CallError extends Error {
    readonly status: number;
    readonly problem: Problem | undefined;

    constructor(message: string, status: number, problem: Problem | undefined) {
        super(message);
        this.name = "CallError";
        this.status = status;
        this.problem = problem;
    }
}

/** A service's URL, or the URL with headers such as `Dyninka-Route` and a signal that gives the call up. */
export type Endpoint = string | { url: string; headers?: { [name: string]: string }; signal?: AbortSignal };

async function call(endpoint: Endpoint, inputs?: unknown): Promise<unknown> {
    const { url, headers, signal } = typeof endpoint === "string" ? { url: endpoint, headers: {}, signal: undefined } : endpoint;
    const init: RequestInit = { headers: { ...headers } };
    if (signal !== undefined) init.signal = signal;
    if (inputs !== undefined) {
        init.method = "POST";
        init.headers = { ...headers, "Content-Type": "application/json" };
        init.body = JSON.stringify(inputs);
    }
    const response = await fetch(url, init);
    if (response.status === 204) return undefined;
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    let problem: Problem | undefined;
    try {
        problem = JSON.parse(text) as Problem;
    } catch {
        // A proxy's page, for example.
    }
    const words = problem === undefined ? text : `${problem.service}: ${problem.detail}`;
    throw new CallError(words, response.status, problem);
}
