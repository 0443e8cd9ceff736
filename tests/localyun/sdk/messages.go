package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	mns "github.com/aliyun/aliyun-mns-go-sdk"
	"github.com/valyala/fasthttp"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// local sends the requests for the vendor's host names to the local cloud.
type local struct{ address string }

func (l local) RoundTrip(_ *fasthttp.HostClient, request *fasthttp.Request, response *fasthttp.Response) (bool, error) {
	return false, (&fasthttp.HostClient{Addr: l.address}).Do(request, response)
}

func receive(queue mns.AliMNSQueue) (message mns.MessageReceiveResponse, err error) {
	messages, errs := make(chan mns.MessageReceiveResponse, 1), make(chan error, 1)
	queue.ReceiveMessage(messages, errs, 1)
	select {
	case message = <-messages:
	case err = <-errs:
	}
	return
}

func main() {
	client := mns.NewAliMNSClientWithConfig(mns.AliMNSClientConfig{
		EndPoint:        "http://" + os.Getenv("ALIBABA_CLOUD_ACCOUNT_ID") + ".mns.cn-hangzhou.aliyuncs.com",
		AccessKeyId:     os.Getenv("OSS_ACCESS_KEY_ID"),
		AccessKeySecret: os.Getenv("OSS_ACCESS_KEY_SECRET"),
	})
	client.SetTransport(local{strings.TrimPrefix(os.Getenv("MNS_ENDPOINT"), "http://")})
	queues, topics := mns.NewMNSQueueManager(client), mns.NewMNSTopicManager(client)
	order, err := mns.NewAccountManager(client).OpenService()
	check(err)
	fmt.Println("ordered:", order.OrderId != "", order.RequestId != "")

	check(queues.CreateQueueWithOptions("go-q", mns.WithVisibilityTimeout(60)))
	again := queues.CreateQueueWithOptions("go-q", mns.WithVisibilityTimeout(60))
	attributes, err := queues.GetQueueAttributes("go-q")
	check(err)
	fmt.Println("queue:", mns.ERR_MNS_QUEUE_ALREADY_EXIST_AND_HAVE_SAME_ATTR.IsEqual(again), attributes.VisibilityTimeout)

	queue := mns.NewMNSQueue("go-q", client)
	delayed, err := queue.SendMessage(mns.MessageSendRequest{MessageBody: "later", DelaySeconds: 60, Priority: 8})
	check(err)
	check(queue.DeleteMessage(delayed.ReceiptHandle))
	_, err = receive(queue)
	fmt.Println("empty:", mns.ERR_MNS_MESSAGE_NOT_EXIST.IsEqual(err))

	_, err = queue.SendMessage(mns.MessageSendRequest{MessageBody: "hallo <你好>", Priority: 8})
	check(err)
	message, err := receive(queue)
	check(err)
	held, err := queue.ChangeMessageVisibility(message.ReceiptHandle, 60)
	check(err)
	check(queue.DeleteMessage(held.ReceiptHandle))
	fmt.Println("message:", message.MessageBody, message.DequeueCount, message.Priority)

	batch := []mns.MessageSendRequest{{MessageBody: "a", Priority: 8}, {MessageBody: "b", Priority: 8}}
	sent, err := queue.BatchSendMessage(batch...)
	check(err)
	received, errs := make(chan mns.BatchMessageReceiveResponse, 1), make(chan error, 1)
	queue.BatchReceiveMessage(received, errs, 16, 5)
	bodies, handles := []string{}, []string{}
	for _, one := range (<-received).Messages {
		bodies, handles = append(bodies, one.MessageBody), append(handles, one.ReceiptHandle)
	}
	_, err = queue.BatchDeleteMessage(handles...)
	check(err)
	sort.Strings(bodies)
	fmt.Println("batch:", len(sent.Messages), bodies)

	check(topics.CreateSimpleTopic("go-t"))
	topic := mns.NewMNSTopic("go-t", client)
	endpoint := topic.GenerateQueueEndpoint("go-q")
	wanted := mns.MessageSubsribeRequest{Endpoint: endpoint, NotifyContentFormat: mns.SIMPLIFIED}
	check(topic.Subscribe("go-s", wanted))
	subscription, err := topic.GetSubscriptionAttributes("go-s")
	check(err)
	_, err = topic.PublishMessage(mns.MessagePublishRequest{MessageBody: "published"})
	check(err)
	copied, err := receive(queue)
	check(err)
	fmt.Println("topic:", subscription.Endpoint == endpoint, copied.MessageBody)

	check(topics.DeleteTopic("go-t"))
	check(queues.DeleteQueue("go-q"))
	_, err = queues.GetQueueAttributes("go-q")
	fmt.Println("deleted:", mns.ERR_MNS_QUEUE_NOT_EXIST.IsEqual(err))
}
