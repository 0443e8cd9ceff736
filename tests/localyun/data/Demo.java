import com.aliyun.mns.client.CloudAccount;
import com.aliyun.mns.client.CloudQueue;
import com.aliyun.mns.client.CloudTopic;
import com.aliyun.mns.client.MNSClient;
import com.aliyun.mns.common.ServiceException;
import com.aliyun.mns.model.Message;
import com.aliyun.mns.model.QueueMeta;
import com.aliyun.mns.model.RawTopicMessage;
import com.aliyun.mns.model.SubscriptionMeta;
import com.aliyun.mns.model.TopicMeta;
import com.aliyun.oss.ClientBuilderConfiguration;
import com.aliyun.oss.OSS;
import com.aliyun.oss.OSSClientBuilder;
import com.aliyun.oss.OSSException;
import com.aliyun.oss.common.auth.CredentialsProviderFactory;
import com.aliyun.oss.common.comm.SignVersion;
import com.aliyun.oss.model.AppendObjectRequest;
import com.aliyun.oss.model.DeleteObjectsRequest;
import com.aliyun.oss.model.DownloadFileRequest;
import com.aliyun.oss.model.GetObjectRequest;
import com.aliyun.oss.model.ListObjectsRequest;
import com.aliyun.oss.model.ListObjectsV2Request;
import com.aliyun.oss.model.ListObjectsV2Result;
import com.aliyun.oss.model.ObjectListing;
import com.aliyun.oss.model.ObjectMetadata;
import com.aliyun.oss.model.UploadFileRequest;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Date;
import java.util.List;
import java.util.Map;

/** Uses OSS and SMQ with the vendor's clients for Java; OSS with both signature versions. */
public class Demo {
    static InputStream stream(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    static String text(InputStream stream) throws Exception {
        try (stream) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    public static void main(String[] none) throws Exception {
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> {
            error.printStackTrace();
            System.exit(1); // the threads of a client would keep the process running
        });
        objects(SignVersion.V1);
        objects(SignVersion.V4);
        queues();
    }

    static void queues() throws Exception {
        Map<String, String> env = System.getenv();
        CloudAccount account = new CloudAccount(
                env.get("OSS_ACCESS_KEY_ID"), env.get("OSS_ACCESS_KEY_SECRET"), env.get("MNS_ENDPOINT"));
        MNSClient client = account.getMNSClient();
        QueueMeta meta = new QueueMeta();
        meta.setQueueName("java-tour");
        CloudQueue queue = client.createQueue(meta);
        queue.putMessage(new Message("hallo \u4f60\u597d"));
        Message message = queue.popMessage(5);
        System.out.println("queue: " + message.getMessageBody() + " " + message.getDequeueCount());
        queue.deleteMessage(message.getReceiptHandle());
        Message later = new Message("later");
        later.setDelaySeconds(60);
        queue.deleteMessage(queue.putMessage(later).getReceiptHandle());
        System.out.println("cancelled: " + (queue.popMessage(1) == null));
        TopicMeta about = new TopicMeta();
        about.setTopicName("java-tour");
        CloudTopic topic = client.createTopic(about);
        SubscriptionMeta subscription = new SubscriptionMeta();
        subscription.setSubscriptionName("s");
        subscription.setEndpoint(topic.generateQueueEndpoint("java-tour"));
        subscription.setNotifyContentFormat(SubscriptionMeta.NotifyContentFormat.SIMPLIFIED);
        System.out.println("subscribed: " + topic.subscribe(subscription).endsWith("/topics/java-tour/subscriptions/s"));
        RawTopicMessage published = new RawTopicMessage();
        published.setMessageBody("{\"published\": true}");
        topic.publishMessage(published);
        System.out.println("topic: " + queue.popMessage(10).getMessageBodyAsRawString());
        queue.delete();
        topic.delete();
        try {
            queue.getAttributes();
        } catch (ServiceException missing) {
            System.out.println("deleted: " + missing.getErrorCode());
        }
        client.close();
    }

    static void objects(SignVersion signature) throws Exception {
        Map<String, String> env = System.getenv();
        ClientBuilderConfiguration configuration = new ClientBuilderConfiguration();
        configuration.setSignatureVersion(signature);
        OSS oss = OSSClientBuilder.create()
                .endpoint(env.get("OSS_ENDPOINT"))
                .credentialsProvider(CredentialsProviderFactory.newEnvironmentVariableCredentialsProvider())
                .clientConfiguration(configuration)
                .region(env.get("OSS_REGION"))
                .build();
        String name = signature.name().toLowerCase();
        System.out.println("signature: " + name);
        String bucket = "java-tour-" + name;
        oss.createBucket(bucket);

        String key = "a folder/\u00fc+%&=?\ud83c\udfb5.txt";
        ObjectMetadata about = new ObjectMetadata();
        about.setContentType("text/x-tour");
        about.addUserMetadata("by", "java");
        oss.putObject(bucket, key, stream("0123456789"), about);
        System.out.println("get: " + text(oss.getObject(bucket, key).getObjectContent()));
        GetObjectRequest part = new GetObjectRequest(bucket, key);
        part.setRange(2, 4);
        System.out.println("range: " + text(oss.getObject(part).getObjectContent()));
        ObjectMetadata head = oss.getObjectMetadata(bucket, key);
        System.out.println("head: " + head.getContentType() + " " + head.getUserMetadata().get("by")
                + " " + head.getContentLength());
        Date soon = new Date(System.currentTimeMillis() + 60000);
        URL url = oss.generatePresignedUrl(bucket, key, soon);
        System.out.println("url: " + text(url.openStream()));

        ObjectMetadata once = new ObjectMetadata();
        once.setHeader("x-oss-forbid-overwrite", "true");
        try {
            oss.putObject(bucket, key, stream("again"), once);
        } catch (OSSException error) {
            System.out.println("overwrite: " + error.getErrorCode());
        }
        AppendObjectRequest first = new AppendObjectRequest(bucket, "log", stream("one ")).withPosition(0L);
        long next = oss.appendObject(first).getNextPosition();
        oss.appendObject(new AppendObjectRequest(bucket, "log", stream("two")).withPosition(next));
        System.out.println("append: " + text(oss.getObject(bucket, "log").getObjectContent()));

        String large = "0123456789abcdef".repeat(20000);
        Files.writeString(Path.of("large"), large);
        UploadFileRequest upload = new UploadFileRequest(bucket, "large", "large", 100 * 1024, 3);
        DownloadFileRequest download = new DownloadFileRequest(bucket, "large", "back", 64 * 1024, 3, false);
        try {
            oss.uploadFile(upload);
            oss.downloadFile(download);
        } catch (Throwable error) {
            throw new Exception(error);
        }
        System.out.println("multipart: " + Files.readString(Path.of("back")).equals(large));
        oss.copyObject(bucket, key, bucket, "copy of " + key);
        oss.setObjectTagging(bucket, "log", Map.of("k", "v"));
        System.out.println("tags: " + oss.getObjectTagging(bucket, "log").getTag("k"));

        ListObjectsV2Request some = new ListObjectsV2Request(bucket).withPrefix("copy").withMaxKeys(1);
        ListObjectsV2Result found = oss.listObjectsV2(some);
        boolean same = found.getObjectSummaries().get(0).getKey().equals("copy of " + key);
        System.out.println("list: " + found.getKeyCount() + " " + same + " " + found.isTruncated());
        ListObjectsRequest folders = new ListObjectsRequest(bucket).withDelimiter("/");
        ObjectListing top = oss.listObjects(folders);
        String names = String.join(",", top.getCommonPrefixes());
        System.out.println("folders: " + names + " " + top.getObjectSummaries().size());
        List<String> keys = List.of(key, "copy of " + key, "large", "log");
        List<String> gone = oss.deleteObjects(new DeleteObjectsRequest(bucket).withKeys(keys)).getDeletedObjects();
        System.out.println("deleted: " + gone.size() + " " + gone.get(0).equals(key));
        System.out.println("exists: " + oss.doesObjectExist(bucket, key));
        try {
            oss.getObject(bucket, key);
        } catch (OSSException error) {
            System.out.println("missing: " + error.getErrorCode());
        }
        oss.deleteBucket(bucket);
        System.out.println("bucket: " + oss.doesBucketExist(bucket));
        oss.shutdown();
    }
}
