// In: a list of queries. Out: whether the parser accepts each.
const fs = require('node:fs');
const { isQueryValid } = require('@jetstreamapp/soql-parser-js');

process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0, 'utf8')).map((soql) => isQueryValid(soql))));
