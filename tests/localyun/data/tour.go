// Uses OSS with the vendor's client for Go, with both signature versions.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
	return value
}

func done(err error) { must(0, err) }

func text(body io.ReadCloser, err error) string {
	defer must(body, err).Close()
	return string(must(io.ReadAll(body)))
}

func main() {
	tour("v1", oss.AuthV1)
	tour("v4", oss.AuthV4)
}

func tour(name string, signature oss.AuthVersionType) {
	fmt.Println("signature:", name)
	provider := must(oss.NewEnvironmentVariableCredentialsProvider())
	client := must(oss.New(os.Getenv("OSS_ENDPOINT"), "", "", oss.SetCredentialsProvider(&provider),
		oss.AuthVersion(signature), oss.Region(os.Getenv("OSS_REGION"))))
	name = "go-tour-" + name
	done(client.CreateBucket(name))
	bucket := must(client.Bucket(name))

	key := "a folder/ü+%&=?\U0001F3B5.txt"
	done(bucket.PutObject(key, strings.NewReader("0123456789"), oss.Meta("by", "go"), oss.ContentType("text/x-tour")))
	fmt.Println("get:", text(bucket.GetObject(key)))
	fmt.Println("range:", text(bucket.GetObject(key, oss.Range(2, 4))))
	head := must(bucket.GetObjectDetailedMeta(key))
	fmt.Println("head:", head.Get("Content-Type"), head.Get("X-Oss-Meta-By"), head.Get("Content-Length"))
	url := must(bucket.SignURL(key, oss.HTTPGet, 60))
	reply := must(http.Get(url))
	fmt.Println("url:", text(reply.Body, nil))

	twice := bucket.PutObject(key, strings.NewReader("again"), oss.ForbidOverWrite(true))
	fmt.Println("overwrite:", twice.(oss.ServiceError).Code)
	next := must(bucket.AppendObject("log", strings.NewReader("one "), 0))
	must(bucket.AppendObject("log", strings.NewReader("two"), next))
	fmt.Println("append:", text(bucket.GetObject("log")))

	large := strings.Repeat("0123456789abcdef", 20000)
	done(os.WriteFile("large", []byte(large), 0o600))
	done(bucket.UploadFile("large", "large", 100*1024, oss.Routines(3)))
	done(bucket.DownloadFile("large", "back", 64*1024, oss.Routines(3)))
	fmt.Println("multipart:", string(must(os.ReadFile("back"))) == large)
	must(bucket.CopyObject(key, "copy of "+key))
	done(bucket.SetObjectMeta("log", oss.Meta("kind", "log")))
	done(bucket.PutObjectTagging("log", oss.Tagging{Tags: []oss.Tag{{Key: "k", Value: "v"}}}))
	fmt.Println("tags:", must(bucket.GetObjectTagging("log")).Tags[0].Value)

	found := must(bucket.ListObjectsV2(oss.Prefix("copy of "), oss.MaxKeys(1)))
	fmt.Println("list:", len(found.Objects), found.Objects[0].Key == "copy of "+key, found.IsTruncated)
	folders := must(bucket.ListObjects(oss.Delimiter("/")))
	fmt.Println("folders:", strings.Join(folders.CommonPrefixes, ","), len(folders.Objects))
	gone := must(bucket.DeleteObjects([]string{key, "copy of " + key, "large", "log"}))
	fmt.Println("deleted:", len(gone.DeletedObjects), gone.DeletedObjects[0] == key)
	fmt.Println("exists:", must(bucket.IsObjectExist(key)))
	_, err := bucket.GetObject(key)
	fmt.Println("missing:", err.(oss.ServiceError).Code)
	done(client.DeleteBucket(name))
	fmt.Println("bucket:", must(client.IsBucketExist(name)))
}
