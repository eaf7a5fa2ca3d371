// Problems as the engine knows them; they are the cache's too, which must not depend on the engine.
export * from "../cache/problem.js";
