// Everyday calls of jsforce. In: {url, key, secret, lead, gone}. Out: what each call gave.
const fs = require('node:fs');
const jsforce = require('jsforce');

async function main({ url, key, secret, lead, gone }) {
  const connection = new jsforce.Connection({
    version: '62.0',
    oauth2: { clientId: key, clientSecret: secret, loginUrl: url },
  });
  await connection.authorize({ grant_type: 'client_credentials' });

  const soql = 'SELECT Id, LastName, NumberOfEmployees, Description, Owner.Name FROM Lead ORDER BY CreatedDate, Id';
  const queried = [];
  let pages = 1;
  let page = await connection.query(soql, { autoFetch: false });
  queried.push(...page.records);
  while (!page.done) {
    page = await connection.queryMore(page.nextRecordsUrl);
    queried.push(...page.records);
    pages += 1;
  }

  const updated = await connection.sobject('Lead').update(
    [{ Id: lead, Lead_Score__c: 71.5 }, { Id: gone, Lead_Score__c: 12 }],
    { allOrNone: false, headers: { 'Sforce-Auto-Assign': 'FALSE' } },
  );

  connection.bulk2.pollInterval = 50;
  connection.bulk2.pollTimeout = 20000;
  const stream = await connection.bulk2.query(soql.replace(' ORDER BY CreatedDate, Id', ''));
  const downloaded = await stream.toArray();

  const loaded = await connection.bulk2.loadAndWaitForResults({
    object: 'Lead',
    operation: 'update',
    input: [{ Id: lead, Lead_Score__c: '80', Need__c: 'two\nlines, "quoted"' }, { Id: gone, Lead_Score__c: '1' }],
  });

  const described = await connection.describe('Lead');
  const limits = await connection.limits();
  return {
    pages, queried, updated, downloaded, loaded, limits, usage: connection.limitInfo,
    fields: described.fields.map((field) => field.name),
  };
}

main(JSON.parse(fs.readFileSync(0, 'utf8'))).then(
  (out) => process.stdout.write(JSON.stringify(out)),
  (problem) => { console.error(problem); process.exit(1); },
);
