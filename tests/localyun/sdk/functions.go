// Manages functions with the vendor's client for Go that calls any OpenAPI: darabonba-openapi. The client that is
// generated for Function Compute adds typed methods to it, and signs and sends in the same way.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
)

type object = map[string]interface{}

var client *openapi.Client

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
	return value
}

func print(name string, values ...interface{}) {
	fmt.Println(append([]interface{}{name + ":"}, values...)...)
}

// try calls an action, with a body that is a JSON object, a stream or nil.
func try(method, path, query string, body interface{}, headers map[string]string, bodyType string) (object, error) {
	request := &utils.OpenApiRequest{Query: map[string]*string{}, Headers: map[string]*string{}, Body: body}
	if stream, ok := body.(io.Reader); ok {
		request.Body, request.Stream = nil, stream
	}
	for _, pair := range strings.Split(query, "&") {
		if name, value, found := strings.Cut(pair, "="); found {
			request.Query[name] = dara.String(value)
		}
	}
	for name, value := range headers {
		request.Headers[name] = dara.String(value)
	}
	params := &utils.Params{
		Action: dara.String("Action"), Version: dara.String("2023-03-30"), Protocol: dara.String("HTTPS"),
		Pathname: dara.String("/2023-03-30/" + path), Method: dara.String(method), AuthType: dara.String("AK"),
		Style: dara.String("ROA"), ReqBodyType: dara.String("json"), BodyType: dara.String(bodyType),
	}
	return client.CallApi(params, request, &dara.RuntimeOptions{})
}

func call(method, path, query string, body interface{}) object {
	kind := "json"
	if method == "DELETE" {
		kind = "none"
	}
	found, _ := must(try(method, path, query, body, nil, kind))["body"].(object)
	return found
}

func code(_ object, err error) string {
	var found *tea.SDKError
	if errors.As(err, &found) {
		return tea.StringValue(found.Code)
	}
	return fmt.Sprint(err)
}

func get(path, query string) (object, error) { return try("GET", path, query, nil, nil, "json") }

func invoke(event, query, kind string) (object, error) {
	headers := map[string]string{"x-fc-invocation-type": kind}
	return try("POST", "functions/f/invocations", query, strings.NewReader(event), headers, "binary")
}

func invoked(query string) (string, string) {
	response := must(invoke("sync", query, "Sync"))
	text := must(io.ReadAll(response["body"].(io.Reader)))
	return string(text), header(response, "x-fc-invocation-service-version")
}

func header(response object, name string) string {
	for key, value := range response["headers"].(map[string]*string) {
		if strings.EqualFold(key, name) {
			return dara.StringValue(value)
		}
	}
	return ""
}

func list(path, query, field string) []interface{} {
	found, _ := call("GET", path, query, nil)[field].([]interface{})
	return found
}

func function(name, tag string, location object) object {
	variables := object{"OUT": os.Getenv("OUT"), "TAG": tag}
	return object{
		"functionName": name, "runtime": "python3.10", "handler": "index.handler", "timeout": 20,
		"code": location, "environmentVariables": variables,
	}
}

func fetch(method, url, body string) (int, int) {
	response := must(http.DefaultClient.Do(must(http.NewRequest(method, url, strings.NewReader(body)))))
	defer response.Body.Close()
	return response.StatusCode, len(must(io.ReadAll(response.Body)))
}

func main() {
	client = must(openapi.NewClient(&utils.Config{
		AccessKeyId: dara.String(os.Getenv("OSS_ACCESS_KEY_ID")), AccessKeySecret: dara.String(os.Getenv("OSS_ACCESS_KEY_SECRET")),
		Endpoint: dara.String(strings.TrimPrefix(os.Getenv("FC_ENDPOINT"), "http://")), Protocol: dara.String("http"),
	}))
	created := call("POST", "functions", "", function("f", "first", object{"zipFile": os.Getenv("ZIP")}))
	print("created", created["functionName"], created["functionArn"], created["state"], created["lastUpdateStatus"])
	location := object{"ossBucketName": "bkt", "ossObjectName": "code.zip"}
	other := call("POST", "functions", "", function("g", "other", location))
	print("from OSS", other["codeChecksum"] == created["codeChecksum"])
	version := call("POST", "functions/f/versions", "", object{"description": "one"})
	print("published", version["versionId"], version["description"])
	second := object{"OUT": os.Getenv("OUT"), "TAG": "second"}
	call("PUT", "functions/f", "", object{"timeout": 7, "environmentVariables": second})
	got := call("GET", "functions/f", "", nil)
	print("updated", got["runtime"], got["handler"], got["timeout"], got["environmentVariables"].(object)["TAG"])
	page := call("GET", "functions", "limit=1", nil)
	next := call("GET", "functions", "limit=1&nextToken="+page["nextToken"].(string), nil)
	names := []string{}
	for _, one := range append(page["functions"].([]interface{}), next["functions"].([]interface{})...) {
		names = append(names, one.(object)["functionName"].(string))
	}
	print("listed", strings.Join(names, ","), next["nextToken"] == nil)

	alias := call("POST", "functions/f/aliases", "", object{"aliasName": "prod", "versionId": "1"})
	aliases, versions := list("functions/f/aliases", "", "aliases"), list("functions/f/versions", "", "versions")
	print("alias", alias["aliasName"], alias["versionId"], len(aliases), len(versions))
	latest, latestVersion := invoked("")
	prod, prodVersion := invoked("qualifier=prod")
	print("invoked", latest, latestVersion, prod, prodVersion)
	print("accepted", must(invoke("async", "qualifier=prod", "Async"))["statusCode"])

	filter := object{"key": object{"prefix": "in/", "suffix": ""}}
	config := must(json.Marshal(object{"events": []string{"oss:ObjectCreated:*"}, "filter": filter}))
	trigger := call("POST", "functions/f/triggers", "", object{
		"triggerName": "t", "triggerType": "oss", "sourceArn": "acs:oss:cn-hangzhou:1234567890123456:bkt",
		"invocationRole": "acs:ram::1234567890123456:role/x", "triggerConfig": string(config),
	})
	status, _ := fetch("PUT", os.Getenv("UPLOAD_URL"), "x")
	print("uploaded", status)
	call("PUT", "functions/f/triggers/t", "", object{"description": "new"})
	changed := call("GET", "functions/f/triggers/t", "", nil)
	triggers := list("functions/f/triggers", "", "triggers")
	same := changed["triggerId"] == trigger["triggerId"]
	print("trigger", changed["triggerType"], changed["description"], same, len(triggers))

	asyncPath, byQualifier := "functions/f/async-invoke-config", "qualifier=prod"
	call("PUT", asyncPath, byQualifier, object{"maxAsyncRetryAttempts": 2})
	async := call("GET", asyncPath, byQualifier, nil)
	configs := list("async-invoke-configs", "", "configs")
	call("DELETE", asyncPath, byQualifier, nil)
	print("async", async["maxAsyncRetryAttempts"], async["functionArn"], len(configs), code(get(asyncPath, byQualifier)))
	call("PUT", "functions/f/concurrency", "", object{"reservedConcurrency": 0})
	reserved := call("GET", "functions/f/concurrency", "", nil)["reservedConcurrency"]
	throttled := code(invoke("refused", "", "Sync"))
	call("DELETE", "functions/f/concurrency", "", nil)
	print("concurrency", reserved, throttled, code(get("functions/f/concurrency", "")))
	location = call("GET", "functions/f/code", "", nil)
	_, size := fetch("GET", location["url"].(string), "")
	print("code", fmt.Sprint(size) == fmt.Sprint(got["codeSize"]), location["checksum"] == got["codeChecksum"])

	inUse := code(try("DELETE", "functions/f", "", nil, nil, "none"))
	for _, path := range []string{"functions/f/triggers/t", "functions/f/aliases/prod", "functions/f/versions/1", "functions/g"} {
		call("DELETE", path, "", nil)
	}
	print("deleted", inUse, code(get("functions/f/triggers/t", "")), code(get("functions/f/aliases/prod", "")),
		code(invoke("gone", "qualifier=1", "Sync")), code(get("functions/g", "")))
}
