// Uses queues and topics with npm's ali-mns, which knows the vendor's host names only: the environment variable
// http_proxy leads its requests to the local cloud. Argument: a node_modules folder.
const path = require("node:path");
const MNS = require(path.join(path.resolve(process.argv[2]), "ali-mns"));
const { ALIBABA_CLOUD_ACCOUNT_ID, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET } = process.env;
const account = new MNS.Account(ALIBABA_CLOUD_ACCOUNT_ID, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET);
account.setGA(false); // no statistics

async function main() {
  const service = new MNS.MNS(account, "hangzhou");
  const queue = new MNS.MQ("node-q", account, "hangzhou");
  console.log("created:", await service.createP("node-q", { VisibilityTimeout: 60 }));
  const attributes = await queue.getAttrsP();
  const queues = (await service.listP("node-")).Queues;
  console.log("queue:", attributes.Queue.VisibilityTimeout, queues.Queue.QueueURL);

  const delayed = await queue.sendP("later", 8, 60);
  console.log("cancelled:", await queue.deleteP(delayed.Message.ReceiptHandle));
  const empty = await queue.recvP(0).catch((error) => error);
  console.log("empty:", empty.Error.Code);

  await queue.sendP("hallo <你好>");
  console.log("peeked:", (await queue.peekP()).Message.MessageBody);
  const received = await queue.recvP(5);
  const held = await queue.reserveP(received.Message.ReceiptHandle, 60);
  await queue.deleteP(held.ChangeVisibility.ReceiptHandle);
  console.log("message:", received.Message.MessageBody, received.Message.DequeueCount);

  const batch = new MNS.MQBatch("node-q", account, "hangzhou");
  await batch.sendP([new MNS.Msg("a"), new MNS.Msg("b")]);
  const messages = (await batch.recvP(5, 16)).Messages.Message;
  const deleted = await batch.deleteP(messages.map((message) => message.ReceiptHandle));
  console.log("batch:", messages.map((message) => message.MessageBody).sort().join(), deleted);

  const topics = new MNS.MNSTopic(account, "hangzhou");
  const topic = new MNS.Topic("node-t", account, "hangzhou");
  await topics.createTopicP("node-t");
  const { NotifyStrategy, NotifyContentFormat } = MNS.Subscription;
  const endpoint = `acs:mns:cn-hangzhou:${ALIBABA_CLOUD_ACCOUNT_ID}:queues/node-q`;
  await topic.subscribeP("node-s", endpoint, NotifyStrategy.BACKOFF_RETRY, NotifyContentFormat.SIMPLIFIED);
  await topic.publishP("published", true);
  console.log("topic:", (await queue.recvP(5)).Message.MessageBody);

  await topics.deleteTopicP("node-t");
  await service.deleteP("node-q");
  const missing = await queue.getAttrsP().catch((error) => error);
  console.log("deleted:", missing.Error.Code);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
