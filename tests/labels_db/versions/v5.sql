PRAGMA application_id = 1397446982;
PRAGMA user_version = 5;
BEGIN TRANSACTION;
CREATE TABLE ahead (task_id INTEGER NOT NULL REFERENCES tasks (id), annotator TEXT NOT NULL, place INTEGER NOT NULL, object_id TEXT NOT NULL, sampler TEXT NOT NULL, score REAL, is_open INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (task_id, annotator, place)) WITHOUT ROWID, STRICT;
CREATE TABLE ahead_reasons (task_id INTEGER NOT NULL REFERENCES tasks (id), annotator TEXT NOT NULL, reason TEXT NOT NULL, made_by TEXT NOT NULL, made_at TEXT NOT NULL, PRIMARY KEY (task_id, annotator)) WITHOUT ROWID, STRICT;
CREATE TABLE "answer_counts" (
   "task_id" INTEGER PRIMARY KEY REFERENCES "tasks"("id"),
   "n_objects" INTEGER NOT NULL
) STRICT;
INSERT INTO "answer_counts" VALUES(1,3);
CREATE TABLE answers (
    task_id INTEGER NOT NULL,
    object_id TEXT NOT NULL,
    annotator TEXT NOT NULL,
    action TEXT NOT NULL,
    class_name TEXT,
    seq INTEGER NOT NULL,
    PRIMARY KEY (task_id, object_id, annotator)
) WITHOUT ROWID, STRICT;
INSERT INTO "answers" VALUES(1,'obj-''2''','ann','label','star',4);
INSERT INTO "answers" VALUES(1,'obj-1','ann','label','dual',1);
INSERT INTO "answers" VALUES(1,'obj-3','ann','skip',NULL,5);
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
   "model_version" INTEGER, confidence REAL, payload TEXT, lease TEXT, late INTEGER NOT NULL DEFAULT 0, prediction_visible INTEGER, redoes TEXT REFERENCES events(event_id), source TEXT,
   FOREIGN KEY ("task_id", "class_name") REFERENCES "task_classes"("task_id", "name")
) STRICT;
INSERT INTO "events" VALUES(1,'00000000-0000-4000-8000-000000000001',1,'obj-1',1,'ann','label','dual',NULL,NULL,'2026-11-22T06:54:30.000Z','2026-11-22T06:54:31.000Z','2026-11-25T16:24:41.295+00:00','margin',0.5,0.25,1,0.75,'{"path":[["q","a"]]}',NULL,0,1,NULL,NULL);
INSERT INTO "events" VALUES(2,'00000000-0000-4000-8000-000000000002',1,'obj-''2''',1,'bob','label','other',NULL,NULL,NULL,NULL,'2026-11-25T16:24:41.295+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "events" VALUES(3,'00000000-0000-4000-8000-000000000003',1,'obj-''2''',1,'bob','undo',NULL,'00000000-0000-4000-8000-000000000002',NULL,NULL,NULL,'2026-11-25T16:24:41.296+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "events" VALUES(4,'00000000-0000-4000-8000-000000000004',1,'obj-''2''',1,'ann','label','star',NULL,NULL,NULL,NULL,'2026-11-25T16:24:41.296+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "events" VALUES(5,'00000000-0000-4000-8000-000000000005',1,'obj-3',1,'ann','skip',NULL,NULL,NULL,NULL,NULL,'2026-11-25T16:24:41.297+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "events" VALUES(6,'00000000-0000-4000-8000-000000000006',1,'obj-1',1,'ann','flag',NULL,NULL,NULL,NULL,NULL,'2026-11-25T16:24:41.297+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "events" VALUES(7,'00000000-0000-4000-8000-000000000007',1,'obj-1',1,'ann','note',NULL,NULL,'two
cores Ω',NULL,NULL,'2026-11-25T16:24:41.298+00:00',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
CREATE TABLE invitations (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES people(id),
    secret_sha256 TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    last_used_at TEXT
) STRICT;
CREATE TABLE leases (
    lease TEXT NOT NULL PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES tasks(id),
    object_id TEXT NOT NULL,
    annotator TEXT NOT NULL,
    place INTEGER NOT NULL,
    leased_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    sampler TEXT NOT NULL,
    score REAL,
    probability REAL,
    model_version INTEGER
) STRICT;
CREATE TABLE "migrations" (
   "version" INTEGER PRIMARY KEY,
   "name" TEXT NOT NULL,
   "applied_at" TEXT NOT NULL
) STRICT;
INSERT INTO "migrations" VALUES(1,'tasks, events, queue and runs','2026-11-25T16:24:41.288+00:00');
INSERT INTO "migrations" VALUES(2,'people, answers, leases','2026-11-25T16:24:41.292+00:00');
INSERT INTO "migrations" VALUES(3,'preferences','2026-11-25T16:24:41.293+00:00');
INSERT INTO "migrations" VALUES(4,'strategies','2026-11-26T02:56:05.114+00:00');
INSERT INTO "migrations" VALUES(5,'selections, what comes ahead, several targets','2026-11-26T05:28:58.029+00:00');
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
   "created_at" TEXT NOT NULL, strategy INTEGER NOT NULL DEFAULT 0, task_version INTEGER NOT NULL DEFAULT 0,
   PRIMARY KEY ("task_id", "version")
) STRICT;
INSERT INTO "models" VALUES(1,1,2,7,'margin',NULL,NULL,1,7,'',NULL,NULL,'2026-11-25T16:24:41.298+00:00',0,0);
CREATE TABLE object_states (
    task_id INTEGER NOT NULL,
    object_id TEXT NOT NULL,
    class_name TEXT,
    how TEXT,
    label_seq INTEGER,
    n_answers INTEGER NOT NULL,
    n_unsure INTEGER NOT NULL,
    n_classes INTEGER NOT NULL,
    n_late INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    is_gold INTEGER NOT NULL,
    is_counted INTEGER NOT NULL,
    disagreement REAL NOT NULL,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (task_id, object_id)
) WITHOUT ROWID, STRICT;
INSERT INTO "object_states" VALUES(1,'obj-''2''','star','latest',4,1,0,1,0,0,0,1,0.0,4);
INSERT INTO "object_states" VALUES(1,'obj-1','dual','latest',1,1,0,1,0,0,0,1,0.0,1);
INSERT INTO "object_states" VALUES(1,'obj-3',NULL,NULL,NULL,0,0,0,0,1,0,1,0.0,5);
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    email TEXT,
    email_key TEXT UNIQUE,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    disabled_at TEXT,
    last_seen_at TEXT
) STRICT;
INSERT INTO "people" VALUES(1,'Bob Ω','bob ω','annotator',NULL,NULL,'2026-11-25T16:24:41.299+00:00','owner',NULL,NULL);
CREATE TABLE people_log (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    act TEXT NOT NULL,
    person TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
INSERT INTO "people_log" VALUES(1,'2026-11-25T16:24:41.299+00:00','owner','add','Bob Ω','as annotator');
CREATE TABLE preferences (user TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, changed_at TEXT NOT NULL, PRIMARY KEY (user, name)) WITHOUT ROWID, STRICT;
INSERT INTO "preferences" VALUES('owner','keys','{"label":"Ω"}','2026-11-25T16:24:41.300+00:00');
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
INSERT INTO "queue" VALUES(1,1,'obj-4','margin',0.8,0.5,1);
CREATE TABLE "run_documents" (
   "run_id" TEXT PRIMARY KEY NOT NULL REFERENCES "runs"("run_id"),
   "config" TEXT NOT NULL,
   "result" TEXT
) STRICT;
INSERT INTO "run_documents" VALUES('run-1','{"a": 1}','{"b": 2}');
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
INSERT INTO "runs" VALUES('run-1','worker','duals','done',2308,1795623880.93,'vm','2026-11-25T16:24:41.299+00:00','2026-11-25T16:24:41.299+00:00','2026-11-25T16:24:41.299+00:00',1.0,'',NULL,0,NULL);
CREATE TABLE selections (id TEXT NOT NULL PRIMARY KEY, name TEXT, survey TEXT NOT NULL, survey_version INTEGER NOT NULL, n_objects INTEGER NOT NULL, origin TEXT NOT NULL, made_by TEXT NOT NULL, made_at TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE strategies (task_id INTEGER NOT NULL REFERENCES tasks (id), version INTEGER NOT NULL, sampler TEXT NOT NULL, learner TEXT NOT NULL, control_share REAL NOT NULL, retrain_every INTEGER NOT NULL, from_seq INTEGER NOT NULL, changed_at TEXT NOT NULL, changed_by TEXT NOT NULL, PRIMARY KEY (task_id, version)) WITHOUT ROWID, STRICT;
INSERT INTO "strategies" VALUES(1,1,'margin','default',0.1,5,7,'2026-11-26T02:56:05.143+00:00','ann');
CREATE TABLE "task_classes" (
   "task_id" INTEGER NOT NULL REFERENCES "tasks"("id"),
   "name" TEXT NOT NULL,
   "position" INTEGER NOT NULL, key TEXT NOT NULL DEFAULT '', colour TEXT NOT NULL DEFAULT '', guideline TEXT NOT NULL DEFAULT '', examples TEXT NOT NULL DEFAULT '[]', retired INTEGER NOT NULL DEFAULT 0,
   PRIMARY KEY ("task_id", "name")
) STRICT;
INSERT INTO "task_classes" VALUES(1,'dual',0,'','','','[]',0);
INSERT INTO "task_classes" VALUES(1,'star',1,'','','','[]',0);
INSERT INTO "task_classes" VALUES(1,'other',2,'','','','[]',0);
CREATE TABLE task_tags (
    task_id INTEGER NOT NULL REFERENCES tasks(id),
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    retired INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id, name)
) STRICT;
CREATE TABLE task_versions (
    task_id INTEGER NOT NULL REFERENCES tasks(id),
    version INTEGER NOT NULL,
    from_seq INTEGER NOT NULL,
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (task_id, version)
) STRICT;
INSERT INTO "task_versions" VALUES(1,1,0,'2026-11-25T16:24:41.294+00:00','owner','{"name": "duals", "survey": "hubble", "question": "Is it two nuclei?", "target": "dual", "guideline": "Look for two cores.", "classes": [{"name": "dual", "key": "", "colour": "", "guideline": "", "examples": [], "retired": false}, {"name": "star", "key": "", "colour": "", "guideline": "", "examples": [], "retired": false}, {"name": "other", "key": "", "colour": "", "guideline": "", "examples": [], "retired": false}], "tags": [], "answers_per_object": 1, "blind": false, "tree": null, "gold_rate": 0.0, "lease_seconds": 600, "version": 1}');
CREATE TABLE "tasks" (
   "id" INTEGER PRIMARY KEY,
   "name" TEXT NOT NULL,
   "survey" TEXT NOT NULL,
   "question" TEXT NOT NULL,
   "target" TEXT NOT NULL,
   "guideline" TEXT NOT NULL,
   "seed" INTEGER NOT NULL,
   "created_at" TEXT NOT NULL
, version INTEGER NOT NULL DEFAULT 1, answers_per_object INTEGER NOT NULL DEFAULT 1, blind INTEGER NOT NULL DEFAULT 0, tree TEXT, gold_rate REAL NOT NULL DEFAULT 0, lease_seconds INTEGER NOT NULL DEFAULT 600, also_targets TEXT NOT NULL DEFAULT '[]') STRICT;
INSERT INTO "tasks" VALUES(1,'duals','hubble','Is it two nuclei?','dual','Look for two cores.',7,'2026-11-25T16:24:41.294+00:00',1,1,0,NULL,0.0,600,'[]');
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
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'label events are append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'label events are append-only'); END;
CREATE TRIGGER events_no_replace BEFORE INSERT ON events WHEN EXISTS ( SELECT 1 FROM events WHERE event_id = NEW.event_id OR seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'label events are append-only'); END;
CREATE UNIQUE INDEX "idx_queue_task_id_object_id"
    ON "queue" ("task_id", "object_id");
CREATE INDEX "idx_runs_started_at"
    ON "runs" ("started_at");
CREATE UNIQUE INDEX idx_runs_one_running ON runs (kind, subject) WHERE state = 'running';
CREATE INDEX idx_object_states_open ON object_states (task_id, last_seq) WHERE is_open = 1;
CREATE UNIQUE INDEX idx_ahead_object ON ahead (task_id, object_id, annotator);
CREATE INDEX idx_ahead_open ON ahead (task_id, annotator, place) WHERE is_open = 1;
CREATE INDEX idx_object_states_disputed ON object_states (task_id, disagreement DESC, last_seq)
    WHERE disagreement > 0;
CREATE INDEX idx_object_states_gold ON object_states (task_id) WHERE is_gold = 1;
CREATE UNIQUE INDEX idx_leases_object ON leases (task_id, object_id, annotator);
CREATE INDEX idx_leases_annotator ON leases (task_id, annotator);
CREATE INDEX idx_leases_expiry ON leases (expires_at);
CREATE INDEX idx_events_remarks ON events (task_id, object_id)
    WHERE action IN ('flag', 'note', 'mark');
CREATE INDEX idx_events_unsettled ON events (task_id, object_id)
    WHERE action = 'adjudicate' OR late = 1;
CREATE UNIQUE INDEX idx_events_redoes ON events (redoes) WHERE redoes IS NOT NULL;
CREATE INDEX idx_invitations_person_id ON invitations (person_id);
CREATE TRIGGER people_log_no_update BEFORE UPDATE ON people_log BEGIN SELECT RAISE(ABORT, 'people_log: rows are kept for good'); END;
CREATE TRIGGER people_log_no_delete BEFORE DELETE ON people_log BEGIN SELECT RAISE(ABORT, 'people_log: rows are kept for good'); END;
CREATE TRIGGER people_no_update BEFORE UPDATE OF id, name, name_key ON people BEGIN SELECT RAISE(ABORT, 'people: rows are kept for good'); END;
CREATE TRIGGER people_no_delete BEFORE DELETE ON people BEGIN SELECT RAISE(ABORT, 'people: rows are kept for good'); END;
CREATE TRIGGER invitations_no_delete BEFORE DELETE ON invitations BEGIN SELECT RAISE(ABORT, 'invitations: rows are kept for good'); END;
CREATE TRIGGER people_log_no_replace BEFORE INSERT ON people_log WHEN EXISTS ( SELECT 1 FROM people_log WHERE seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'people_log: rows are kept for good'); END;
CREATE VIEW "standing_events" AS SELECT * FROM events AS e WHERE e.action <> 'undo' AND NOT EXISTS (SELECT 1 FROM events AS u WHERE u.undoes = e.event_id);
CREATE VIEW "current_labels" AS SELECT s.task_id, s.object_id, s.class_name, e.annotator, e.event_id, e.seq, e.survey_version, e.answered_at, e.recorded_at, s.how FROM object_states AS s JOIN events AS e ON e.seq = s.label_seq WHERE s.class_name IS NOT NULL;
CREATE INDEX idx_answers_skipped ON answers (task_id, annotator, seq) WHERE action = 'skip';
CREATE INDEX idx_selections_survey ON selections (survey, made_at);
COMMIT;
