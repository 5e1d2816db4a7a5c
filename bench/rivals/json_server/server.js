// json-server as a module: its own routes for cards, a route of ours where it has none, and its body checked before.
"use strict";

const crypto = require("node:crypto");
const jsonServer = require("json-server");

const [file, port] = process.argv.slice(2);
const PURPOSES = ["official", "tourism", "business", "education", "employment", "private", "transit"];

const server = jsonServer.create();
const router = jsonServer.router(file);
router.db._.id = "number"; // the key of a card

server.use(jsonServer.defaults({ logger: false, static: __dirname }));
server.use(jsonServer.bodyParser);

server.post("/v1/cards/lookup", (request, response) => {
  const { issuing_state, number, birth_date } = request.body;
  if (!issuing_state || !number || !birth_date) return response.status(422).json({});
  const items = router.db
    .get("cards")
    .filter(
      (card) =>
        card.document.number === number &&
        card.document.issuing_state === issuing_state &&
        card.holder.birth_date === birth_date &&
        (card.status === "declared" || card.status === "active"),
    )
    .map((card) => ({ card }))
    .value();
  return response.json({ items, next: null });
});

server.post("/v1/cards", (request, response, next) => {
  const { purpose, basis, holder, document, intended } = request.body;
  if (!PURPOSES.includes(purpose) || !basis || !holder || !document || !intended) return response.status(422).json({});
  request.body = {
    number: crypto.randomBytes(6).toString("hex").toUpperCase(),
    status: "declared",
    version: 1,
    citizenship: holder.citizenship,
    purpose,
    basis,
    holder,
    document,
    intended_from: intended.from,
    declared_at: new Date().toISOString(),
    last_lawful_day: null,
    ends_at: null,
  };
  return next();
});

server.get("/v1/cards", (request, response, next) => {
  const limit = Number(request.query.limit ?? 50);
  if (!(limit >= 1 && limit <= 100)) return response.status(422).json({});
  const page = Number(request.query.after ?? 1);
  request.query = { _sort: "declared_at,number", _order: "desc,desc", _page: String(page), _limit: String(limit) };
  response.locals.page = page;
  return next();
});

router.render = (request, response) => {
  const told = response.locals.data;
  const page = response.locals.page;
  response.jsonp(page === undefined ? told : { items: told, next: told.length ? String(page + 1) : null });
};
server.use("/v1", router);
server.listen(Number(port), "127.0.0.1");
