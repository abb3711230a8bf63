// Check objects of KEDA and of the Prometheus operator: `node schemas.mjs < objects.json`, a list.
// Prints one line for each mistake. Two looks at each object: its values by the JSON Schema of its
// kind, and its fields by the kind's TypeScript type, since the schemas allow unknown fields.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const PACKAGES = {
  "keda.sh": "@kubernetes-models/keda",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};
// node_modules and the files that are written are beside this file: a test copies it.
const here = dirname(fileURLToPath(import.meta.url));
const objects = JSON.parse(readFileSync(0, "utf8"));

function moduleOf(object) {
  const [group, version] = object.apiVersion.split("/");
  return `${PACKAGES[group]}/${group}/${version}`;
}

async function valueMistakes(object) {
  const kinds = await import(moduleOf(object));
  try {
    new kinds[object.kind](object).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

function fieldMistakes() {
  const files = objects.map((object, i) => {
    const file = join(here, `object${i}.ts`);
    const type = `I${object.kind}`;
    const text = `export const object: ${type} = ${JSON.stringify(object)};\n`;
    writeFileSync(file, `import type { ${type} } from "${moduleOf(object)}/${object.kind}";\n${text}`);
    return file;
  });
  const options = {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    types: [],
  };
  return ts.getPreEmitDiagnostics(ts.createProgram(files, options)).map((found) => {
    const object = objects[files.indexOf(found.file?.fileName)];
    return [object, ts.flattenDiagnosticMessageText(found.messageText, " ")];
  });
}

const mistakes = fieldMistakes();
for (const object of objects) {
  for (const mistake of await valueMistakes(object)) mistakes.push([object, mistake]);
}
for (const [object, mistake] of mistakes) {
  console.log(`${object?.kind} ${object?.metadata?.name}: ${mistake}`);
}
