// Everyday calls of @hubspot/api-client. In: {url, token, contacts: [ids], company}. Out: what each call gave.
const fs = require("node:fs");
const { Client } = require("@hubspot/api-client");

async function main(given) {
  const client = new Client({ accessToken: given.token, basePath: given.url, numberOfApiCallRetries: 0 });
  const { contacts, associations, properties } = client.crm;
  const seen = {};

  const page = await contacts.basicApi.getPage(2, undefined, ["email", "jobtitle"]);
  seen.page = { ids: page.results.map((one) => one.id), after: page.paging.next.after, first: page.results[0].properties };
  seen.createdAtIsADate = page.results[0].createdAt instanceof Date;
  seen.all = (await contacts.getAll(2)).map((one) => one.id);

  const made = await contacts.basicApi.create({ properties: { email: "New@Acme.test" }, associations: [] });
  await contacts.basicApi.update(made.id, { properties: { jobtitle: "CEO" } });
  const read = await contacts.basicApi.getById("new@acme.test", ["jobtitle"], ["jobtitle"], undefined, false, "email");
  seen.read = { sameId: read.id === made.id, jobtitle: read.properties.jobtitle };
  seen.history = read.propertiesWithHistory.jobtitle.map((one) => [one.value, one.sourceType]);
  await contacts.basicApi.archive(made.id);
  seen.conflict = await refused(contacts.basicApi.create({ properties: { email: "p0@acme.test" }, associations: [] }));
  seen.gone = await refused(contacts.basicApi.getById(made.id));

  const search = await contacts.searchApi.doSearch({
    filterGroups: [{ filters: [{ propertyName: "hs_object_id", operator: "GT", value: given.contacts[0] }] }],
    sorts: ["hs_object_id"], properties: ["email"], limit: 200,
  });
  seen.search = { total: search.total, ids: search.results.map((one) => one.id) };

  const asked = { properties: ["email"], propertiesWithHistory: [] };
  const batch = await contacts.batchApi.read({ ...asked, inputs: given.contacts.map((id) => ({ id })) });
  seen.batchRead = batch.results.map((one) => one.properties.email);
  const some = await contacts.batchApi.read({ ...asked, inputs: [{ id: given.contacts[0] }, { id: "999999" }] });
  seen.batchReadInPart = { found: some.results.length, missing: some.errors[0].context.ids };
  const written = await contacts.batchApi.update({
    inputs: given.contacts.map((id) => ({ id, properties: { lead_gauge_score: "87" } })),
  });
  seen.batchUpdate = { status: written.status, scores: written.results.map((one) => one.properties.lead_gauge_score) };
  const bad = { inputs: [{ id: given.contacts[0], properties: { lead_scor: "1" } }] };
  seen.batchRefused = await refused(contacts.batchApi.update(bad));

  const pair = ["contacts", given.contacts[0], "companies", given.company];
  await associations.v4.basicApi.createDefault(...pair);
  const linked = await associations.v4.basicApi.getPage("contacts", given.contacts[0], "companies");
  seen.linked = linked.results.map((one) => [String(one.toObjectId), one.associationTypes.map((type) => type.typeId)]);
  const links = await associations.v4.batchApi.getPage("contacts", "companies", { inputs: [{ id: given.contacts[0] }] });
  seen.batchLinked = links.results.map((one) => [one._from.id, one.to.map((to) => String(to.toObjectId))]);

  const definition = {
    name: "fit", label: "Fit", type: "enumeration", fieldType: "select", groupName: "contactinformation",
    options: [{ label: "A", value: "a", displayOrder: 0, hidden: false }],
  };
  await properties.coreApi.create("contacts", definition);
  const held = await properties.coreApi.getByName("contacts", "fit");
  seen.property = { type: held.type, options: held.options.map((option) => option.value) };
  seen.properties = (await properties.coreApi.getAll("contacts")).results.some((one) => one.name === "lead_gauge_score");
  await properties.coreApi.archive("contacts", "fit");
  seen.propertyGone = await refused(properties.coreApi.getByName("contacts", "fit"));
  return seen;
}

async function refused(call) {
  try {
    await call;
  } catch (problem) {
    return { code: problem.code, category: problem.body.category ?? null, message: problem.body.message };
  }
  return null;
}

main(JSON.parse(fs.readFileSync(0, "utf8"))).then((seen) => process.stdout.write(JSON.stringify(seen)));
