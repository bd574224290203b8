PRAGMA application_id = 1397446982;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE "answer_counts" (
   "task_id" INTEGER PRIMARY KEY REFERENCES "tasks"("id"),
   "n_objects" INTEGER NOT NULL
) STRICT;
INSERT INTO "answer_counts" VALUES(1,3);
CREATE TABLE "class_counts" (
   "task_id" INTEGER NOT NULL,
   "class_name" TEXT NOT NULL,
   "n_objects" INTEGER NOT NULL,
   FOREIGN KEY ("task_id", "class_name") REFERENCES "task_classes"("task_id", "name"),
   PRIMARY KEY ("task_id", "class_name")
) STRICT;
INSERT INTO "class_counts" VALUES(1,'dual',1);
INSERT INTO "class_counts" VALUES(1,'star',1);
INSERT INTO "class_counts" VALUES(1,'other',0);
CREATE TABLE "events" (
   "seq" INTEGER PRIMARY KEY,
   "event_id" TEXT NOT NULL,
   "task_id" INTEGER NOT NULL REFERENCES "tasks"("id"),
   "object_id" TEXT NOT NULL,
   "survey_version" INTEGER NOT NULL,
   "annotator" TEXT NOT NULL,
   "action" TEXT NOT NULL,
   "class_name" TEXT,
   "undoes" TEXT REFERENCES "events"("event_id"),
   "note" TEXT,
   "shown_at" TEXT,
   "answered_at" TEXT,
   "recorded_at" TEXT NOT NULL,
   "sampler" TEXT,
   "score" REAL,
   "probability" REAL,
   "model_version" INTEGER,
   FOREIGN KEY ("task_id", "class_name") REFERENCES "task_classes"("task_id", "name")
) STRICT;
INSERT INTO "events" VALUES(1,'cd613e30-d8f1-4adf-91b7-584a2265b1f5',1,'obj-1',1,'ann','label','dual',NULL,NULL,'2027-01-31T08:15:00.000Z','2027-01-31T08:15:01.500Z','2026-11-22T06:54:35.261+00:00','margin',0.25,0.5,1);
INSERT INTO "events" VALUES(2,'1e2feb89-414c-443c-9027-c4d1c386bbc4',1,'obj-''2''',1,'ann','label','other',NULL,NULL,NULL,NULL,'2026-11-22T06:54:35.264+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(3,'78e51061-7311-48a3-82ce-6f447ed4d57b',1,'obj-''2''',1,'ann','label','star',NULL,NULL,NULL,NULL,'2026-11-22T06:54:35.268+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(4,'35bf992d-c9e9-4616-a12e-7696a6cecc1b',1,'obj-1',1,'ann','label','other',NULL,NULL,NULL,NULL,'2026-11-22T06:54:35.272+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(5,'e4b06ce6-0741-47a8-bce4-2c8218072e8c',1,'obj-1',1,'ann','undo',NULL,'35bf992d-c9e9-4616-a12e-7696a6cecc1b',NULL,NULL,NULL,'2026-11-22T06:54:35.276+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(6,'9b810e76-6ec9-4286-a3ca-828dd5f4b3b2',1,'obj-3',1,'ann','skip',NULL,NULL,NULL,NULL,NULL,'2026-11-22T06:54:35.280+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(7,'b2221a58-008a-45a6-8464-7159c324c985',1,'obj-1',1,'ann','flag',NULL,NULL,NULL,NULL,NULL,'2026-11-22T06:54:35.288+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(8,'cd447e35-b8b6-48fe-842e-3d437204e52d',1,'obj-1',1,'ann','note',NULL,NULL,'two
cores Ω',NULL,NULL,'2026-11-22T06:54:35.292+00:00',NULL,NULL,NULL,NULL);
CREATE TABLE "migrations" (
   "version" INTEGER PRIMARY KEY,
   "name" TEXT NOT NULL,
   "applied_at" TEXT NOT NULL
) STRICT;
INSERT INTO "migrations" VALUES(1,'tasks, events, queue and runs','2026-11-22T06:54:35.244+00:00');
CREATE TABLE "models" (
   "task_id" INTEGER REFERENCES "tasks"("id"),
   "version" INTEGER,
   "n_labels" INTEGER NOT NULL,
   "label_seq" INTEGER NOT NULL,
   "sampler" TEXT NOT NULL,
   "learner" TEXT,
   "encoder_run" TEXT,
   "survey_version" INTEGER NOT NULL,
   "seed" INTEGER NOT NULL,
   "state" TEXT NOT NULL,
   "seconds" REAL,
   "scores_file" TEXT,
   "created_at" TEXT NOT NULL,
   PRIMARY KEY ("task_id", "version")
) STRICT;
INSERT INTO "models" VALUES(1,1,2,5,'margin','logistic',NULL,1,7,'Ranked by margin.',0.2,NULL,'2026-11-22T06:54:35.296+00:00');
CREATE TABLE "queue" (
   "task_id" INTEGER NOT NULL,
   "rank" INTEGER NOT NULL,
   "object_id" TEXT NOT NULL,
   "sampler" TEXT NOT NULL,
   "score" REAL,
   "probability" REAL,
   "model_version" INTEGER NOT NULL,
   FOREIGN KEY ("task_id", "model_version") REFERENCES "models"("task_id", "version"),
   PRIMARY KEY ("task_id", "rank")
) STRICT;
INSERT INTO "queue" VALUES(1,0,'obj-1','margin',0.9,0.5,1);
INSERT INTO "queue" VALUES(1,1,'obj-4','control',NULL,0.01,1);
CREATE TABLE "run_documents" (
   "run_id" TEXT PRIMARY KEY NOT NULL REFERENCES "runs"("run_id"),
   "config" TEXT NOT NULL,
   "result" TEXT
) STRICT;
INSERT INTO "run_documents" VALUES('run-1','{"seed": 7}','{"objects": 4}');
CREATE TABLE "runs" (
   "run_id" TEXT PRIMARY KEY NOT NULL,
   "kind" TEXT NOT NULL,
   "subject" TEXT NOT NULL,
   "state" TEXT NOT NULL,
   "pid" INTEGER NOT NULL,
   "pid_started" REAL NOT NULL,
   "host" TEXT NOT NULL,
   "started_at" TEXT NOT NULL,
   "heartbeat_at" TEXT NOT NULL,
   "finished_at" TEXT,
   "fraction" REAL,
   "message" TEXT NOT NULL DEFAULT '',
   "eta_s" REAL,
   "cancel_requested" INTEGER NOT NULL DEFAULT 0,
   "error" TEXT
) STRICT;
INSERT INTO "runs" VALUES('run-1','embed','hubble','done',1234,1800000000.0,'host','2026-11-22T06:54:35.300+00:00','2026-11-22T06:54:35.304+00:00','2026-11-22T06:54:35.312+00:00',1.0,'half',NULL,0,NULL);
CREATE TABLE "task_classes" (
   "task_id" INTEGER NOT NULL REFERENCES "tasks"("id"),
   "name" TEXT NOT NULL,
   "position" INTEGER NOT NULL,
   PRIMARY KEY ("task_id", "name")
) STRICT;
INSERT INTO "task_classes" VALUES(1,'dual',0);
INSERT INTO "task_classes" VALUES(1,'star',1);
INSERT INTO "task_classes" VALUES(1,'other',2);
CREATE TABLE "tasks" (
   "id" INTEGER PRIMARY KEY,
   "name" TEXT NOT NULL,
   "survey" TEXT NOT NULL,
   "question" TEXT NOT NULL,
   "target" TEXT NOT NULL,
   "guideline" TEXT NOT NULL,
   "seed" INTEGER NOT NULL,
   "created_at" TEXT NOT NULL
) STRICT;
INSERT INTO "tasks" VALUES(1,'duals','hubble','Is it two nuclei?','dual','Look for two cores.',7,'2026-11-22T06:54:35.256+00:00');
CREATE UNIQUE INDEX "idx_tasks_name"
    ON "tasks" ("name");
CREATE UNIQUE INDEX "idx_events_event_id"
    ON "events" ("event_id");
CREATE INDEX "idx_events_task_id_object_id_action"
    ON "events" ("task_id", "object_id", "action");
CREATE INDEX "idx_events_task_id_annotator"
    ON "events" ("task_id", "annotator");
CREATE INDEX "idx_events_task_id"
    ON "events" ("task_id");
CREATE UNIQUE INDEX idx_events_undoes ON events (undoes) WHERE undoes IS NOT NULL;
CREATE VIEW "standing_events" AS SELECT * FROM events AS e WHERE e.action <> 'undo' AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id);
CREATE VIEW "current_labels" AS SELECT * FROM standing_events AS s WHERE s.action = 'label' AND NOT EXISTS ( SELECT 1 FROM standing_events AS l WHERE l.task_id = s.task_id AND l.object_id = s.object_id AND l.action = 'label' AND l.seq > s.seq);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'label events are append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'label events are append-only'); END;
CREATE TRIGGER events_no_replace BEFORE INSERT ON events WHEN EXISTS ( SELECT 1 FROM events WHERE event_id = NEW.event_id OR seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'label events are append-only'); END;
CREATE TRIGGER events_counts_before BEFORE INSERT ON events WHEN NEW.action IN ('label', 'skip', 'undo') BEGIN UPDATE class_counts SET n_objects = n_objects - 1 WHERE task_id = NEW.task_id AND class_name = (  SELECT s.class_name FROM standing_events AS s WHERE s.task_id = NEW.task_id  AND s.object_id = NEW.object_id AND s.action = 'label'  ORDER BY s.seq DESC LIMIT 1); UPDATE answer_counts SET n_objects = n_objects - 1 WHERE task_id = NEW.task_id AND EXISTS (  SELECT 1 FROM standing_events AS s WHERE s.task_id = NEW.task_id  AND s.object_id = NEW.object_id AND s.action IN ('label', 'skip')); END;
CREATE TRIGGER events_counts_after AFTER INSERT ON events WHEN NEW.action IN ('label', 'skip', 'undo') BEGIN UPDATE class_counts SET n_objects = n_objects + 1 WHERE task_id = NEW.task_id AND class_name = (  SELECT s.class_name FROM standing_events AS s WHERE s.task_id = NEW.task_id  AND s.object_id = NEW.object_id AND s.action = 'label'  ORDER BY s.seq DESC LIMIT 1); UPDATE answer_counts SET n_objects = n_objects + 1 WHERE task_id = NEW.task_id AND EXISTS (  SELECT 1 FROM standing_events AS s WHERE s.task_id = NEW.task_id  AND s.object_id = NEW.object_id AND s.action IN ('label', 'skip')); END;
CREATE UNIQUE INDEX "idx_queue_task_id_object_id"
    ON "queue" ("task_id", "object_id");
CREATE INDEX "idx_runs_started_at"
    ON "runs" ("started_at");
CREATE UNIQUE INDEX idx_runs_one_running ON runs (kind, subject) WHERE state = 'running';
COMMIT;
